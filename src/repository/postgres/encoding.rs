use sqlx::PgConnection;

use crate::repository::MigrationError;

/// Refuses a database that is not in UTF-8: it may hold text that no answer can have, and cannot hold
/// all that callers may write.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(MigrationError::failed("looking at the encoding"))?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(MigrationError::Encoding(encoding))
    }
}
