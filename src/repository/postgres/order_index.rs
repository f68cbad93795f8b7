//! The index behind every list, built after the migrations on a table that already has rows.
use std::time::Duration;

use sqlx::PgConnection;

use super::{
    connect::set_timeout,
    error_codes::{is_cancelled, is_lock_conflict},
};
use crate::repository::MigrationError;

/// Builds the index with CREATE INDEX CONCURRENTLY where it is missing or invalid: writers are not locked out, and the
/// build waits for their transactions. Returns a note when it was built, or was not within `limit`: lists are correct
/// without it, and slow when the table is long.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    limit: Duration,
) -> Result<Option<String>, MigrationError> {
    let doing = || MigrationError::failed("indexing public.approach_challenges");
    let is_valid = is_valid(connection).await.map_err(doing())?;
    if is_valid == Some(true) {
        return Ok(None);
    }
    set_timeout(connection, "lock_timeout", Duration::ZERO).await?;
    set_timeout(connection, "statement_timeout", limit).await?;
    let built = async {
        // An interrupted build leaves an invalid index, which slows writers down and is never used.
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
            "the order index was not built within {limit:?}, because a transaction of another \
             program stays open; lists work, and `migrate up` builds it later"
        ))),
        Err(error) => Err(doing()(error)),
    }
}

/// Whether the index is valid; `None` when it does not exist.
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
