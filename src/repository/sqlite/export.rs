//! The port [`Exporting`]: reads all challenges in one snapshot, page by page.
use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};

use super::SqliteStore;
use crate::{
    domain::{Challenge, Error, Exporting, Version},
    repository::{
        challenge_row::{self, StampedRow},
        edit_row::{self, EXPORT_PAGE, VersionRow},
    },
};

/// An export: a transaction that only reads, so its statements all see the same state.
pub(super) struct SqliteExport {
    store: SqliteStore,
    transaction: Transaction<'static, Sqlite>,
    version: Version,
    /// The bytes of an id, which may not be UTF-8.
    after: Vec<u8>,
}

const CONTEXT: &str = "exporting challenges";

impl SqliteExport {
    pub(super) async fn begin(store: &SqliteStore) -> Result<Self, Error> {
        let mut transaction = store.within(CONTEXT, store.pool.begin()).await?;
        // The snapshot is taken by the first read.
        let read = sqlx::query_as(include_str!("sql/version.sql"))
            .bind(None::<i64>)
            .fetch_optional(&mut *transaction);
        let version: Option<VersionRow> = store.within(CONTEXT, read).await?;
        Ok(Self {
            store: store.clone(),
            transaction,
            version: edit_row::version(version)?,
            after: Vec::new(),
        })
    }
}

#[async_trait]
impl Exporting for SqliteExport {
    fn version(&self) -> Version {
        self.version
    }

    async fn next(&mut self) -> Result<Vec<Challenge>, Error> {
        loop {
            let read = sqlx::query_as(include_str!("sql/export.sql"))
                .bind(self.after.as_slice())
                .bind(EXPORT_PAGE)
                .fetch_all(&mut *self.transaction);
            let rows: Vec<StampedRow> = self.store.within(CONTEXT, read).await?;
            let Some(last) = rows.last().and_then(StampedRow::id) else {
                return Ok(Vec::new());
            };
            self.after = last.as_bytes().to_vec();
            let challenges = challenge_row::valid(rows, &self.store.invalid_rows)?.value;
            if !challenges.is_empty() {
                return Ok(challenges);
            }
        }
    }
}
