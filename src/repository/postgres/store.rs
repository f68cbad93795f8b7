use std::{
    io::{self, ErrorKind::ConnectionAborted},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Connection, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};
use tokio::time::timeout;

use super::{
    codes::{fault, is_refused_write},
    connect::connect_to_one,
    hints::Hints,
    listener,
    live::Life,
    migrate,
    pool::{Lease, Pool, PoolLimits},
    servers::Servers,
    session::SessionTerms,
    unfit::{NoServer, Standing, Unfit},
};
use crate::{
    domain::{Error, PoolState},
    repository::{
        AddressSource, Datastore, MigrationError, PoolSettings, fault::Broken, odd_rows::OddRowLog,
    },
};

/// How much longer than the statement may run its answer is waited for.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How many transactions of editors there are at once.
const EDITORS: u32 = 4;

/// The catalog in PostgreSQL. A clone is another hand on the same pools.
#[derive(Clone)]
pub(crate) struct PostgresStore {
    /// For reads and writes.
    pub(super) pool: Pool,
    /// For polls: one connection of their own, so that busy reads cannot starve them.
    pub(super) feed: Pool,
    /// For edits, imports and exports: connections of their own, so that long ones starve no read.
    pub(super) editing: Pool,
    pub(super) hints: Arc<Hints>,
    pub(super) servers: Arc<Servers>,
    /// Rows that cannot be shown, as far as they were logged.
    pub(super) odd: Arc<OddRowLog>,
    settings: PoolSettings,
}

/// A statement that reads rows, made anew for each attempt.
pub(super) type Query<R> = QueryAs<'static, Postgres, R, PgArguments>;

impl PostgresStore {
    /// Opens the pools at `url`, without talking to the database yet. To be called inside a runtime.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(crate) fn open(urls: &str, settings: &PoolSettings) -> Result<Self, MigrationError> {
        let terms = SessionTerms {
            statement_timeout: settings.statement_timeout,
        };
        let servers = Arc::new(Servers::parse(urls, terms)?);
        let pool = |min, max, acquire_timeout| {
            let limits = PoolLimits {
                min,
                max,
                acquire_timeout,
                max_lifetime: settings.max_lifetime,
                idle_timeout: settings.idle_timeout,
            };
            Pool::new(Arc::clone(&servers), limits)
        };
        let patience = settings.acquire_timeout;
        Ok(Self {
            pool: pool(settings.min_connections, settings.max_connections, patience),
            feed: pool(1, 1, patience.min(settings.poll_timeout)),
            editing: pool(0, EDITORS, patience),
            hints: Arc::default(),
            servers,
            odd: Arc::default(),
            settings: settings.clone(),
        })
    }

    /// Leaves the server in use, which was found to be none that takes writes: its connections are
    /// closed, and nothing is asked of it until it does. Gives the error of the statement that found it.
    pub(super) fn leave_server(&self, life: Life, cause: Unfit) -> Error {
        self.servers.leave(life);
        Error::datastore(NoServer(vec![cause]))
    }

    /// A connection of `pool`; one that was not used before, where those that were may be dead.
    pub(super) async fn lease(&self, pool: &Pool, is_new: bool) -> Result<Lease, Error> {
        let lease = if is_new {
            pool.acquire_new().await
        } else {
            pool.acquire().await
        };
        lease.map_err(Error::datastore)
    }

    /// Runs a read, or a call that may be made twice: once more on a new connection when the pool gave out a dead
    /// one, or one of a server that takes no writes.
    pub(super) async fn fetch<R>(
        &self,
        pool: &Pool,
        context: &'static str,
        query: impl Fn() -> Query<R> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        let limit = self.answer_limit(pool);
        let mut is_again = false;
        loop {
            let mut lease = self.lease(pool, is_again).await?;
            let life = lease.life();
            let answer = tokio::select! {
                answer = timeout(limit, self.run(&mut lease, query())) => answer,
                // Found by somebody else: this one would not answer, or what it says would not count.
                () = self.servers.outdated(life) => Ok(Err(io::Error::from(ConnectionAborted).into())),
            };
            let error = match answer {
                Ok(Ok(rows)) => {
                    lease.give_back();
                    return Ok(rows);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    self.servers.suspect(life);
                    let silent = Unfit::Silent(self.servers.name(), limit);
                    return Err(Error::datastore(silent));
                }
            };
            let failed = if is_refused_write(&error) {
                self.leave_server(life, Unfit::RefusedWrite(self.servers.name()))
            } else if self.is_worth_another_try(&lease, &error) {
                fault(context, error)
            } else {
                if !lease.is_shared() {
                    lease.give_back();
                }
                return Err(fault(context, error));
            };
            if is_again {
                return Err(failed);
            }
            is_again = true;
        }
    }

    /// Runs one statement; in a transaction of its own where the session is lent for no longer.
    async fn run<R>(&self, lease: &mut Lease, query: Query<R>) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        if !lease.is_shared() {
            return query.fetch_all(&mut **lease).await;
        }
        Standing::by(include_str!("sql/begin.sql"), lease).await?;
        self.limit_transaction(lease).await?;
        let rows = query.persistent(false).fetch_all(&mut **lease).await?;
        sqlx::raw_sql("COMMIT").execute(&mut **lease).await?;
        Ok(rows)
    }

    /// How long an answer is waited for.
    pub(super) fn answer_limit(&self, pool: &Pool) -> Duration {
        let limit = self.settings.statement_timeout + GRACE;
        if std::ptr::eq(pool, &raw const self.feed) {
            limit.min(self.settings.poll_timeout)
        } else {
            limit
        }
    }
}

#[async_trait]
impl Datastore for PostgresStore {
    async fn check(&self) -> Result<(), MigrationError> {
        // Not from the pool, which tries again until its time is over, and forgets why.
        let (place, mut connection) = connect_to_one(self.servers.list()).await?;
        self.servers.confirm(place);
        let checked = migrate::check(&mut connection).await;
        connection.close().await.ok();
        checked
    }

    fn renew_login_by(&self, source: AddressSource) {
        self.servers.renew_by(source);
    }

    async fn fill(&self) -> Result<(), Error> {
        // The one for polls first: reads make do with those that the server grants beyond.
        let filling = async {
            self.feed.fill().await?;
            self.pool.fill().await
        };
        filling.await.map_err(Error::datastore)
    }

    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error> {
        let look = || sqlx::query_as("SELECT pg_notification_queue_usage()");
        let context = "looking at the queue of notifications";
        let rows: Vec<(f64,)> = self.fetch(&self.feed, context, look).await?;
        Ok(rows.first().map(|(usage,)| *usage))
    }

    async fn page_token_key(&self) -> Result<[u8; 32], Error> {
        let context = "reading the key of page tokens";
        let read = || sqlx::query_as("SELECT page_token_key FROM challenges_catalog.state");
        let rows: Vec<(Vec<u8>,)> = self.fetch(&self.pool, context, read).await?;
        let key = rows
            .into_iter()
            .next()
            .and_then(|(key,)| key.try_into().ok());
        key.ok_or_else(|| Error::internal(context, Broken("it is not 32 bytes".to_owned())))
    }

    fn pool(&self) -> PoolState {
        let open = self.pool.open();
        PoolState {
            open,
            idle: self.pool.idle().min(open),
            max: self.pool.limits().max,
        }
    }

    async fn listen(&self) {
        listener::listen(self).await;
    }

    async fn close(&self) {
        futures_util::join!(self.pool.close(), self.feed.close(), self.editing.close());
    }
}
