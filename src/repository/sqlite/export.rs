use sqlx::{Sqlite, Transaction};
use tonic::async_trait;

use super::SqliteStore;
use crate::{
    domain::{Challenge, Error, Exporting, Version},
    repository::{
        edit_row::{self, EXPORT_PAGE, VersionRow},
        row,
    },
};

/// The catalog of one moment: what a transaction sees that only reads.
pub(super) struct Snapshot {
    store: SqliteStore,
    transaction: Transaction<'static, Sqlite>,
    version: Version,
    after: String,
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
            after: String::new(),
        })
    }
}

#[async_trait]
impl Exporting for Snapshot {
    fn version(&self) -> Version {
        self.version
    }

    async fn next(&mut self) -> Result<Vec<Challenge>, Error> {
        let read = sqlx::query_as(include_str!("sql/export.sql"))
            .bind(self.after.as_str())
            .bind(EXPORT_PAGE)
            .fetch_all(&mut *self.transaction);
        let rows = self.store.within(CONTEXT, read).await?;
        let challenges = row::challenges(rows)?.value;
        if let Some(last) = challenges.last() {
            self.after = last.id.to_string();
        }
        Ok(challenges)
    }
}
