use sqlx::PgConnection;

use crate::repository::{MigrationError, fault::code_of};

/// One of the triggers that notice DDL on the table.
#[derive(sqlx::FromRow)]
pub(super) struct EventTrigger {
    pub(super) name: String,
    /// As `event_trigger_state.sql` calls it.
    state: String,
}

impl EventTrigger {
    pub(super) fn is_missing(&self) -> bool {
        self.state == "missing"
    }

    /// What is wrong with it, where it is there.
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

/// Makes the triggers that notice DDL on the table, which takes a superuser, unless they are as they
/// should be. Gives a note when that was left out.
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
        Err(error) if is_refused(&error) => Ok(Some(
            "left out the event trigger that notices DDL on the table: making it takes a superuser"
                .to_owned(),
        )),
        Err(error) => Err(doing()(error)),
    }
}

/// Each of the event triggers, there or not.
pub(super) async fn state(connection: &mut PgConnection) -> Result<Vec<EventTrigger>, sqlx::Error> {
    sqlx::query_as(include_str!("sql/event_trigger_state.sql"))
        .fetch_all(connection)
        .await
}

fn is_refused(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("42501")
}
