//! The port [`Exporting`]: reads all challenges in one snapshot, page by page.
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, error_codes::statement_error, transaction::Transaction};
use crate::{
    domain::{Challenge, Error, Exporting, Version},
    repository::{
        challenge_row::{self, StampedRow},
        edit_row::{self, EXPORT_PAGE},
        invalid_rows::InvalidRowLog,
    },
};

/// An export: a transaction whose statements all see the same state.
pub(super) struct PostgresExport {
    transaction: Transaction,
    version: Version,
    after: Option<Uuid>,
    is_over: bool,
    invalid_rows: Arc<InvalidRowLog>,
}

const CONTEXT: &str = "exporting challenges";

impl PostgresExport {
    pub(super) async fn begin(store: &PostgresStore, patience: Duration) -> Result<Self, Error> {
        let mut transaction = store.begin_snapshot(CONTEXT).await?;
        let begun = async {
            transaction.set_timeouts(patience).await?;
            let version = sqlx::query_as(include_str!("sql/version.sql"));
            transaction.fetch(version.bind(None::<i64>)).await
        };
        let rows = begun.await.map_err(statement_error(CONTEXT))?;
        Ok(Self {
            transaction,
            version: edit_row::version(rows.into_iter().next())?,
            after: None,
            is_over: false,
            invalid_rows: Arc::clone(&store.invalid_rows),
        })
    }
}

#[async_trait]
impl Exporting for PostgresExport {
    fn version(&self) -> Version {
        self.version
    }

    async fn next(&mut self) -> Result<Vec<Challenge>, Error> {
        while !self.is_over {
            let read = sqlx::query_as(include_str!("sql/export.sql"))
                .bind(self.after)
                .bind(EXPORT_PAGE);
            let rows = self.transaction.fetch(read).await;
            let rows: Vec<StampedRow> = rows.map_err(statement_error(CONTEXT))?;
            match rows.last().and_then(StampedRow::id) {
                Some(last) => self.after = Uuid::try_parse(&last.lossy()).ok(),
                None => self.is_over = true,
            }
            let challenges = challenge_row::valid(rows, &self.invalid_rows)?.value;
            if !challenges.is_empty() {
                return Ok(challenges);
            }
        }
        Ok(Vec::new())
    }
}
