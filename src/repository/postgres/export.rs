use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    PostgresStore, codes::fault, edit_transaction::statement_limit, transaction::Transaction,
};
use crate::{
    domain::{Challenge, Error, Exporting, Version},
    repository::{
        challenge_row::{self, Found, StampedRow},
        edit_row::{self, EXPORT_PAGE, VersionRow},
        odd_rows::OddRowLog,
    },
};

/// The catalog of one moment: what a transaction sees that always sees the same.
pub(super) struct Snapshot {
    transaction: Transaction,
    version: Version,
    after: Option<Uuid>,
    is_over: bool,
    odd: Arc<OddRowLog>,
}

const CONTEXT: &str = "exporting challenges";
const BEGIN: &str = include_str!("sql/begin_snapshot.sql");

impl Snapshot {
    pub(super) async fn begin(store: &PostgresStore, patience: Duration) -> Result<Self, Error> {
        let mut transaction = store.begin(CONTEXT, BEGIN).await?;
        sqlx::query(include_str!("sql/be_patient.sql"))
            .bind(statement_limit(patience))
            .persistent(transaction.keeps_statements())
            .execute(&mut *transaction)
            .await
            .map_err(|error| fault(CONTEXT, error))?;
        let version: Option<VersionRow> = sqlx::query_as(include_str!("sql/version.sql"))
            .bind(None::<i64>)
            .persistent(transaction.keeps_statements())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|error| fault(CONTEXT, error))?;
        Ok(Self {
            transaction,
            version: edit_row::version(version)?,
            after: None,
            is_over: false,
            odd: Arc::clone(&store.odd),
        })
    }
}

#[async_trait]
impl Exporting for Snapshot {
    fn version(&self) -> Version {
        self.version
    }

    async fn next(&mut self) -> Result<Vec<Challenge>, Error> {
        while !self.is_over {
            let rows: Vec<StampedRow> = sqlx::query_as(include_str!("sql/export.sql"))
                .bind(self.after)
                .bind(EXPORT_PAGE)
                .persistent(self.transaction.keeps_statements())
                .fetch_all(&mut *self.transaction)
                .await
                .map_err(|error| fault(CONTEXT, error))?;
            match rows.last().and_then(StampedRow::id) {
                Some(last) => self.after = Uuid::try_parse(&last.lossy()).ok(),
                None => self.is_over = true,
            }
            let Found { challenges, odd } = challenge_row::read(rows)?.value;
            self.odd.note_challenges(odd);
            if !challenges.is_empty() {
                return Ok(challenges);
            }
        }
        Ok(Vec::new())
    }
}
