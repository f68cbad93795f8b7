use sqlx::{FromRow, Row, postgres::PgRow};

use super::{PostgresStore, live::Life, pool::Pool, store::Query, unfit::Unfit};
use crate::domain::Error;

/// A row whose statement told, in its column `in_recovery`, whether a standby answered it.
pub(super) struct Current<R> {
    in_recovery: bool,
    row: R,
}

impl<'r, R: FromRow<'r, PgRow>> FromRow<'r, PgRow> for Current<R> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            in_recovery: row.try_get("in_recovery")?,
            row: R::from_row(row)?,
        })
    }
}

impl PostgresStore {
    /// As [`PostgresStore::fetch`], of what may be old on a standby: such an answer is thrown away,
    /// its server left, and another one asked, once.
    pub(super) async fn fetch_current<R>(
        &self,
        pool: &Pool,
        context: &'static str,
        query: impl Fn() -> Query<Current<R>> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut has_left = false;
        loop {
            let asked = Life::new();
            let rows = self.fetch(pool, context, &query).await?;
            if !rows.iter().any(|row| row.in_recovery) {
                return Ok(rows.into_iter().map(|row| row.row).collect());
            }
            let refused = self.leave_server(asked, Unfit::Standby(self.servers.name()));
            if has_left {
                return Err(refused);
            }
            has_left = true;
        }
    }
}
