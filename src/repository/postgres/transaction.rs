use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::PgConnection;
use tokio::time::timeout;

use super::{
    PostgresStore,
    codes::{Health, fault},
    pool::Lease,
    store::GRACE,
    unfit::Standing,
};
use crate::{domain::Error, repository::fault::NoAnswer};

/// A connection that begins nothing within this long is taken for dead, and another one is tried.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);

/// An open transaction on a connection of its own. Dropped, its connection is closed, which rolls it back.
pub(super) struct Transaction(Lease);

impl Transaction {
    /// Whether a statement may be prepared for the next transactions on the same session too.
    pub(super) fn keeps_statements(&self) -> bool {
        !self.0.is_shared()
    }

    /// Commits. When that fails with a connection, nobody knows whether it was carried out.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.0).await?;
        self.0.give_back();
        Ok(())
    }

    /// Rolls back, and keeps the connection. For one whose statements were all answered.
    pub(super) async fn roll_back(mut self) {
        let rolling_back = sqlx::raw_sql("ROLLBACK").execute(&mut *self.0);
        if matches!(timeout(GRACE, rolling_back).await, Ok(Ok(_))) {
            self.0.give_back();
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl PostgresStore {
    /// Begins a transaction with `statement`, which ends with the look of [`Standing`]; once more on a new connection
    /// when the pool gave out a dead one, or one of a server that takes no writes.
    pub(super) async fn begin(
        &self,
        context: &'static str,
        statement: &'static str,
    ) -> Result<Transaction, Error> {
        let mut is_again = false;
        loop {
            let mut lease = self.lease(&self.editing, is_again).await?;
            let limit = if is_again {
                self.answer_limit(&self.editing)
            } else {
                BEGIN_TIMEOUT
            };
            let begun = timeout(limit, self.begin_on(&mut lease, statement)).await;
            let error = match begun {
                Ok(Ok(standing)) => match standing.unfit(&self.servers.name()) {
                    None => return Ok(Transaction(lease)),
                    Some(unfit) => self.leave_server(lease.life(), unfit),
                },
                Ok(Err(error)) => {
                    if !self.is_worth_another_try(&lease, &error) {
                        return Err(fault(context, error));
                    }
                    fault(context, error)
                }
                Err(_) => {
                    self.servers.suspect(lease.life());
                    Error::datastore(NoAnswer(limit))
                }
            };
            if is_again {
                return Err(error);
            }
            is_again = true;
        }
    }

    async fn begin_on(
        &self,
        lease: &mut Lease,
        statement: &'static str,
    ) -> Result<Standing, sqlx::Error> {
        let standing = Standing::by(statement, lease).await?;
        if lease.is_shared() {
            self.limit_transaction(lease).await?;
        }
        Ok(standing)
    }

    /// Limits the statements of a transaction on a session that is lent for no longer.
    pub(super) async fn limit_transaction(&self, lease: &mut Lease) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT set_config('statement_timeout', $1, true)")
            .bind(self.servers.statement_limit())
            .persistent(false)
            .execute(&mut **lease)
            .await?;
        Ok(())
    }

    /// Whether a statement that failed with `error` may succeed on a new connection; notes what that says of others.
    pub(super) fn is_worth_another_try(&self, lease: &Lease, error: &sqlx::Error) -> bool {
        match Health::after(error) {
            Health::Good => false,
            Health::Confused | Health::Ended => true,
            Health::Dead => {
                self.servers.suspect(lease.life());
                true
            }
        }
    }
}
