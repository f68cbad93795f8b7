use sqlx::PgConnection;

use crate::repository::{MigrationError, fault::code_of};

/// Tries to make the trigger that notices DDL on the table, which takes a superuser.
/// Gives a note when it was left out.
pub(super) async fn try_create(
    connection: &mut PgConnection,
) -> Result<Option<String>, MigrationError> {
    let doing = || MigrationError::failed("creating the event trigger");
    if state(connection).await.map_err(doing())?.is_some() {
        return Ok(None);
    }
    let created = sqlx::raw_sql(include_str!("sql/event_trigger.sql"))
        .execute(connection)
        .await;
    match created {
        Ok(_) => Ok(None),
        Err(error) if is_refused(&error) => Ok(Some(
            "left out the event trigger that notices DDL on the table: making it takes a superuser"
                .to_owned(),
        )),
        Err(error) => Err(doing()(error)),
    }
}

/// How the event trigger is enabled, as `pg_event_trigger` has it; `None` without one.
pub(super) async fn state(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT evtenabled::text
        FROM pg_event_trigger
        WHERE evtname = 'challenges_catalog_ddl'",
    )
    .fetch_optional(connection)
    .await
}

fn is_refused(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("42501")
}
