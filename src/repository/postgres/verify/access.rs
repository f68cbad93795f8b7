use sqlx::PgConnection;

use crate::repository::{MigrationError, Report, postgres::ownership};

#[derive(sqlx::FromRow)]
struct Reading {
    may_select: bool,
    policies: String,
}

/// Whether the role that looks sees the rows.
pub(super) async fn reading(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let found: Reading = sqlx::query_as(include_str!("../sql/verify_reading.sql"))
        .fetch_one(connection)
        .await
        .map_err(MigrationError::failed("looking at rights"))?;
    if !found.may_select {
        let text = "this role may not read public.approach_challenges: apply migrations/grants.sql";
        report.error("rights", text);
        return Ok(());
    }
    if found.policies == "none" {
        let text = "it is enabled and no policy lets this role read: the catalog looks empty";
        report.error("row level security", text);
    } else if found.policies == "some rows" {
        let text = "policies let this role read some of the rows only: the catalog shows those";
        report.warn("row level security", text);
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Writer {
    role: String,
    rights: String,
}

/// Who else may change rows.
pub(super) async fn writers(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let writers: Vec<Writer> = sqlx::query_as(include_str!("../sql/verify_writers.sql"))
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at other programs' rights"))?;
    for writer in writers {
        report.note(
            format!("role {}", writer.role),
            format!("may {}", writer.rights),
        );
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct FlagWriter {
    role: String,
    rights: String,
    is_trusted: bool,
}

/// Who else may change the rows of flags: one of them switches the catalog off.
pub(super) async fn flag_writers(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let writers: Vec<FlagWriter> = sqlx::query_as(include_str!("../sql/verify_flag_writers.sql"))
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at other programs' rights"))?;
    for FlagWriter {
        role,
        rights,
        is_trusted,
    } in writers
    {
        let subject = "public.feature_flags";
        if is_trusted {
            let text =
                format!("role {role} may {rights}, because it passes over row level security");
            report.note(subject, text);
        } else {
            let text = format!(
                "role {role} may {rights}: it can switch the catalog off; REVOKE that, or enable row level security \
                 without a policy for it (which does not stop TRUNCATE)"
            );
            report.error(subject, text);
        }
    }
    Ok(())
}

/// Whether all that is ours belongs to the owner of the table of challenges.
pub(super) async fn owners(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let strays = ownership::strays(connection)
        .await
        .map_err(MigrationError::failed("looking at owners"))?;
    for stray in strays {
        let more = match stray.count {
            ..=1 => String::new(),
            count => format!(", as {} more", count - 1),
        };
        let text = format!(
            "it belongs to {}{more}, and public.approach_challenges to {}, whose rights our functions run with: \
             `migrate up` by a superuser hands over what migrations made",
            stray.owner, stray.wanted
        );
        report.error(stray.example, text);
    }
    Ok(())
}

/// Whether the role that looks may follow the commit log and register, as `serve` must.
pub(super) async fn log(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let missing: Vec<String> = sqlx::query_scalar(include_str!("../sql/verify_log.sql"))
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at rights"))?;
    for what in missing {
        report.error(
            "rights",
            format!("this role has no {what}: apply migrations/grants.sql"),
        );
    }
    Ok(())
}
