//! Whose everything of ours is: of the role that owns the table of challenges, whose rights our functions run with.
use sqlx::PgConnection;

use crate::repository::MigrationError;

/// What belongs to one other role.
#[derive(sqlx::FromRow)]
pub(super) struct Stray {
    /// That role.
    pub(super) owner: String,
    /// The role that it should belong to.
    pub(super) wanted: String,
    /// The role that looks.
    role: String,
    /// One of these objects.
    pub(super) example: String,
    /// How many there are.
    pub(super) count: i64,
    /// Whether the role that looks may hand all of it over.
    may_hand_over: bool,
}

/// All that belongs to other roles; nothing where there is no table of challenges.
pub(super) async fn strays(connection: &mut PgConnection) -> Result<Vec<Stray>, sqlx::Error> {
    sqlx::query_as(include_str!("sql/ownership.sql"))
        .fetch_all(connection)
        .await
}

/// Looks whether the owner of the table of challenges can migrate. Nothing is changed.
///
/// # Errors
///
/// [`MigrationError::Stray`] and [`MigrationError::MayNotCreate`].
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at owners");
    let strays = strays(connection).await.map_err(doing())?;
    if let Some(stray) = strays.into_iter().find(|stray| !stray.may_hand_over) {
        return Err(MigrationError::Stray {
            example: stray.example,
            owner: stray.owner,
            wanted: stray.wanted,
            role: stray.role,
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

/// Goes on as the owner of the table of challenges, where that is there: what a superuser makes would run as superuser.
pub(super) async fn act_as_owner(connection: &mut PgConnection) -> Result<(), MigrationError> {
    sqlx::query(include_str!("sql/act_as_owner.sql"))
        .execute(connection)
        .await
        .map_err(MigrationError::failed("acting as the table's owner"))?;
    Ok(())
}

/// Goes on as the role that the address names.
pub(super) async fn act_as_oneself(connection: &mut PgConnection) -> Result<(), MigrationError> {
    sqlx::query("RESET ROLE")
        .execute(connection)
        .await
        .map_err(MigrationError::failed(
            "acting as the table's owner no longer",
        ))?;
    Ok(())
}
