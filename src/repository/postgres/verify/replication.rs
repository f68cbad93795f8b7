use sqlx::PgConnection;

use crate::repository::{MigrationError, Report};

/// Where the way to replicate the catalog's rows is told.
const HOW: &str = "see migrations/README.md, Logical replication";

#[derive(sqlx::FromRow)]
struct Carried {
    kind: String,
    name: String,
    is_bookkeeping: bool,
    tables: String,
}

/// What logical replication brings into this database, and takes out of it.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let found: Vec<Carried> = sqlx::query_as(include_str!("../sql/verify_replication.sql"))
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at logical replication"))?;
    for Carried {
        kind,
        name,
        is_bookkeeping,
        tables,
    } in found
    {
        let subject = format!("{kind} {name}");
        if kind == "publication" {
            let text = format!(
                "it publishes tables of challenges_catalog ({tables}): with those of a subscriber that has the catalog's \
                 schema too they collide, and its catalog is lost; publish the tables of schema public by name: {HOW}"
            );
            report.warn(subject, text);
        } else if is_bookkeeping {
            let text = format!(
                "it writes another database's bookkeeping into tables of challenges_catalog ({tables}): numbers collide, \
                 and the catalog is lost; drop the subscription, and repair what it wrote: {HOW}"
            );
            report.error(subject, text);
        } else {
            let text = "logical replication writes into public.approach_challenges: its rows are noticed as those of other programs are";
            report.note(subject, text);
        }
    }
    Ok(())
}
