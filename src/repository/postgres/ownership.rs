//! Ownership: everything that migrations create belongs to the role that owns the challenges table, because functions run
//! with the rights of their owner.
use sqlx::PgConnection;

use crate::repository::MigrationError;

/// Objects of one other role.
#[derive(sqlx::FromRow)]
pub(super) struct ForeignObject {
    pub(super) owner: String,
    /// The role that they should belong to.
    pub(super) wanted: String,
    /// The role of this session.
    role: String,
    /// The name of one of them.
    pub(super) example: String,
    pub(super) count: i64,
    /// Whether the role of this session may transfer them.
    may_transfer: bool,
}

/// Lists the objects of other roles; none where there is no challenges table.
pub(super) async fn foreign_objects(
    connection: &mut PgConnection,
) -> Result<Vec<ForeignObject>, sqlx::Error> {
    sqlx::query_as(include_str!("sql/ownership.sql"))
        .fetch_all(connection)
        .await
}

/// Checks that the owner of the challenges table can migrate. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::WrongOwner`] and [`MigrationError::MayNotCreate`].
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("reading owners");
    let objects = foreign_objects(connection).await.map_err(doing())?;
    if let Some(object) = objects.into_iter().find(|object| !object.may_transfer) {
        return Err(MigrationError::WrongOwner {
            example: object.example,
            owner: object.owner,
            wanted: object.wanted,
            role: object.role,
        });
    }
    let lacking: Option<(String, String)> = sqlx::query_as(include_str!("sql/may_create.sql"))
        .fetch_optional(connection)
        .await
        .map_err(doing())?;
    match lacking {
        None => Ok(()),
        Some((role, what)) => Err(MigrationError::MayNotCreate { role, what }),
    }
}

/// Continues as the owner of the challenges table, if that exists: functions that a superuser creates would run with a
/// superuser's rights.
pub(super) async fn act_as_owner(connection: &mut PgConnection) -> Result<(), MigrationError> {
    sqlx::query(include_str!("sql/act_as_owner.sql"))
        .execute(connection)
        .await
        .map_err(MigrationError::failed("acting as the table's owner"))?;
    Ok(())
}

/// Continues as the role that connected.
pub(super) async fn reset_role(connection: &mut PgConnection) -> Result<(), MigrationError> {
    sqlx::query("RESET ROLE")
        .execute(connection)
        .await
        .map_err(MigrationError::failed("resetting the role"))?;
    Ok(())
}
