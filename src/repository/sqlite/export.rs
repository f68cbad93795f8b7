use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};

use super::SqliteStore;
use crate::{
    domain::{Challenge, Error, Exporting, Version},
    repository::{
        challenge_row::{self, Found, StampedRow},
        edit_row::{self, EXPORT_PAGE, VersionRow},
    },
};

/// The catalog of one moment: what a transaction sees that only reads.
pub(super) struct Snapshot {
    store: SqliteStore,
    transaction: Transaction<'static, Sqlite>,
    version: Version,
    /// The bytes of an id, which may be no UTF-8.
    after: Vec<u8>,
}

const CONTEXT: &str = "exporting challenges";

impl Snapshot {
    pub(super) async fn begin(store: &SqliteStore) -> Result<Self, Error> {
        let mut transaction = store.within(CONTEXT, store.pool.begin()).await?;
        // The first read decides which moment it is.
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
impl Exporting for Snapshot {
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
            let last = rows.last().and_then(StampedRow::id);
            let Some(last) = last.map(|id| id.as_bytes().to_vec()) else {
                return Ok(Vec::new());
            };
            self.after = last;
            let Found { challenges, odd } = challenge_row::read(rows)?.value;
            self.store.odd.note_challenges(odd);
            if !challenges.is_empty() {
                return Ok(challenges);
            }
        }
    }
}
