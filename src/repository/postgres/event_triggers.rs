//! The event triggers that notice DDL on the tables. Only a superuser can create them, so the catalog works without.
use sqlx::PgConnection;

use super::error_codes::is_forbidden;
use crate::repository::MigrationError;

/// The state of one event trigger.
#[derive(sqlx::FromRow)]
pub(super) struct EventTrigger {
    pub(super) name: String,
    /// A word of `event_trigger_state.sql`.
    state: String,
}

impl EventTrigger {
    pub(super) fn is_missing(&self) -> bool {
        self.state == "missing"
    }

    /// What is wrong with a trigger that exists.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match self.state.as_str() {
            "missing" | "right" => None,
            "not always" => Some("it is not ENABLE ALWAYS: some DDL goes unnoticed"),
            "of another owner" => Some(
                "its function belongs to another role, who can make it do anything as whoever runs DDL",
            ),
            _ => Some("it is not as this release makes it: some DDL goes unnoticed"),
        }
    }
}

/// Creates the triggers, unless they are as they should be. Returns a note if the role may not create them.
pub(super) async fn ensure(
    connection: &mut PgConnection,
) -> Result<Option<String>, MigrationError> {
    let doing = || MigrationError::failed("creating the event triggers");
    let found = state(connection).await.map_err(doing())?;
    let is_done = found
        .iter()
        .all(|trigger| !trigger.is_missing() && trigger.problem().is_none());
    if is_done {
        return Ok(None);
    }
    let created = sqlx::raw_sql(include_str!("sql/event_trigger.sql"))
        .execute(connection)
        .await;
    match created {
        Ok(_) => Ok(None),
        Err(error) if is_forbidden(&error) => Ok(Some(
            "left out the event trigger that notices DDL on the table: making it takes a superuser"
                .to_owned(),
        )),
        Err(error) => Err(doing()(error)),
    }
}

/// Reads the state of each event trigger, whether it exists or not.
pub(super) async fn state(connection: &mut PgConnection) -> Result<Vec<EventTrigger>, sqlx::Error> {
    sqlx::query_as(include_str!("sql/event_trigger_state.sql"))
        .fetch_all(connection)
        .await
}
