use sqlx::PgConnection;

use crate::repository::{
    MigrationError, Report,
    postgres::{migrate, order_index, shape},
};

/// True when the table of challenges can be looked at.
pub(super) async fn challenges(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<bool, MigrationError> {
    table(report, connection, shape::CHALLENGES).await
}

/// True when the table of feature flags can be looked at.
pub(super) async fn flags(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<bool, MigrationError> {
    table(report, connection, shape::FLAGS).await
}

async fn table(
    report: &mut Report,
    connection: &mut PgConnection,
    adopted: shape::Adopted,
) -> Result<bool, MigrationError> {
    let subject = format!("public.{}", adopted.name);
    let Some(differences) = shape::inspect(connection, adopted).await? else {
        report.error(
            subject,
            "there is no such table: run `challenges-catalog migrate up`",
        );
        return Ok(false);
    };
    for difference in &differences {
        report.error(subject.as_str(), difference.to_string());
    }
    Ok(differences.is_empty())
}

/// True when the tables of the migrations are there.
pub(super) async fn migrations(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<bool, MigrationError> {
    let can_read: Option<bool> = sqlx::query_scalar(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'challenges_catalog' AND c.relname = 'migration'",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(MigrationError::failed("looking for migrations"))?;
    if can_read == Some(false) {
        let text =
            "this role may not read challenges_catalog.migration: apply migrations/grants.sql";
        report.error("rights", text);
        return Ok(true);
    }
    let rows = migrate::status(connection).await?;
    let applied = rows.iter().filter(|row| row.applied_at.is_some());
    report.facts.schema_version = applied.map(|row| row.version).max().unwrap_or(0);
    report.pending(&rows);
    Ok(can_read.is_some())
}

#[derive(sqlx::FromRow)]
struct Extras {
    is_checked: bool,
    has_children: bool,
    is_partition: bool,
}

/// Constraints and the index of the table.
pub(super) async fn extras(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at constraints");
    let extras: Extras = sqlx::query_as(include_str!("../sql/verify_extras.sql"))
        .fetch_one(&mut *connection)
        .await
        .map_err(doing())?;
    if !extras.is_checked {
        let text = "no valid CHECK keeps it to beginner, intermediate and advanced";
        report.warn("difficulty", text);
    }
    if extras.has_children {
        let text = "other tables inherit from it: their rows are listed, and changes made to them directly go unnoticed";
        report.error("public.approach_challenges", text);
    }
    if extras.is_partition {
        let text = "it is a partition: changes made by way of the table that it is a part of go unnoticed, and show only \
             when copies expire; detach it, or write to it by its own name";
        report.error("public.approach_challenges", text);
    }
    let index = order_index::is_valid(connection).await.map_err(doing())?;
    if index != Some(true) {
        let what = index.map_or("missing", |_| "invalid");
        let text =
            format!("it is {what}, so long lists are slow: run `challenges-catalog migrate up`");
        report.warn("index approach_challenges_catalog_order", text);
    }
    Ok(())
}
