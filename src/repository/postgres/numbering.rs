//! Numbers commits outside of polls, for a caller that waits for the version of one. It may run twice, so it is retried
//! when a pooled connection was broken.
use super::PostgresStore;
use crate::{
    domain::{Error, Version},
    repository::{row, sql_error::DataError},
};

/// How many rows of the outbox one call numbers.
const NUMBERED_AT_ONCE: i32 = 2_000;
/// How many calls may be needed to number a commit of ours.
const MAX_NUMBER_ROUNDS: u32 = 100;

impl PostgresStore {
    /// Numbers all commits so far, and returns the version of the commit `entry`.
    pub(super) async fn numbered(
        &self,
        context: &'static str,
        entry: i64,
    ) -> Result<Version, Error> {
        self.number(context).await?;
        let read = || sqlx::query_as(include_str!("sql/numbered.sql")).bind(entry);
        let rows: Vec<(String, i64, i64)> = self.fetch(&self.pool, context, read).await?;
        // Another server took over in between, and lost the commit.
        let lost = || Error::datastore(DataError(format!("commit {entry} is not there")));
        let (database, timeline, seq) = rows.first().ok_or_else(lost)?;
        row::version(database, *timeline, *seq)
    }

    /// Numbers all commits so far.
    pub(super) async fn number(&self, context: &'static str) -> Result<(), Error> {
        for _ in 0..MAX_NUMBER_ROUNDS {
            let call =
                || sqlx::query_as("SELECT challenges_catalog.number($1)").bind(NUMBERED_AT_ONCE);
            if self.fetch_one(context, call).await?.unwrap_or(true) {
                return Ok(());
            }
        }
        let behind = DataError("numbering has fallen behind".to_owned());
        Err(Error::datastore(behind))
    }
}
