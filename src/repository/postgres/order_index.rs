use std::time::Duration;

use sqlx::PgConnection;

use super::{
    codes::{is_cancelled, is_lock_conflict},
    migrate::set,
};
use crate::repository::MigrationError;

/// Builds the index behind every list where migrations left it out: on a table with rows.
///
/// CONCURRENTLY, so that writers carry on; they wait for nothing while this waits for them.
/// Gives a note when it was not built: lists are right without it, and slow when the table is long.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    patience: Duration,
) -> Result<Option<String>, MigrationError> {
    let doing = || MigrationError::failed("indexing public.approach_challenges");
    let is_valid = is_valid(connection).await.map_err(doing())?;
    if is_valid == Some(true) {
        return Ok(None);
    }
    set(connection, "lock_timeout", Duration::ZERO).await?;
    set(connection, "statement_timeout", patience).await?;
    let built = async {
        // An attempt that was cut short leaves an index that is kept up to date and never used.
        if is_valid.is_some() {
            sqlx::raw_sql(
                "DROP INDEX CONCURRENTLY IF EXISTS public.approach_challenges_catalog_order",
            )
            .execute(&mut *connection)
            .await?;
        }
        sqlx::raw_sql(include_str!("sql/order_index.sql"))
            .execute(&mut *connection)
            .await
    };
    match built.await {
        Ok(_) => Ok(Some(
            "built the order index without locking writers out".to_owned(),
        )),
        Err(error) if is_lock_conflict(&error) || is_cancelled(&error) => Ok(Some(format!(
            "the order index was not built within {patience:?}, because a transaction of another \
             program stays open; lists work, and `migrate up` builds it later"
        ))),
        Err(error) => Err(doing()(error)),
    }
}

/// `None` when there is no such index.
pub(super) async fn is_valid(connection: &mut PgConnection) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT i.indisvalid AND i.indisready
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname = 'approach_challenges_catalog_order'",
    )
    .fetch_optional(connection)
    .await
}
