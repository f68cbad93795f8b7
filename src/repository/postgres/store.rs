use std::{
    io::{self, ErrorKind::ConnectionAborted},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection, Executor, PgPool, Postgres,
    postgres::{PgArguments, PgPoolOptions, PgRow},
    query::QueryAs,
};
use tokio::time::{Instant, timeout};
use tonic::async_trait;

use super::{
    codes::{fault, is_dead_connection, is_refused_write},
    connect::connect_to_one,
    hints::Hints,
    listener, migrate,
    servers::Servers,
    unfit::{NoServer, Unfit},
};
use crate::{
    domain::{Error, PoolState},
    repository::{
        Datastore, MigrationError, PoolSettings,
        fault::{Broken, NoAnswer},
        odd_rows::OddRowLog,
    },
};

/// How much longer than the statement may run its answer is waited for.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How many transactions of editors there are at once.
const EDITORS: u32 = 4;
/// How long a poll waits for a connection, and for its answer: less than its caller does, so that
/// he hears the cause.
const FEED_WAIT: Duration = Duration::from_millis(400);

/// The catalog in PostgreSQL. A clone is another hand on the same pools.
#[derive(Clone)]
pub(crate) struct PostgresStore {
    /// For reads and writes.
    pub(super) pool: PgPool,
    /// For polls: one connection of their own, so that busy reads cannot starve them.
    pub(super) feed: PgPool,
    /// For LISTEN: a connection that waits.
    listening: PgPool,
    /// For edits, imports and exports: connections of their own, so that long ones starve no read.
    pub(super) editing: PgPool,
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
        let servers = Arc::new(Servers::parse(urls)?);
        let first = servers.list().first();
        let options = first
            .map(|server| server.options.clone())
            .unwrap_or_default();
        let limited = pool_options(settings, &servers);
        let single = limited.clone().min_connections(0).max_connections(1);
        // One is used; a spare, because a link that hangs is given back only when TCP gives it up.
        let waiting = limited
            .clone()
            .min_connections(0)
            .max_connections(2)
            .max_lifetime(None)
            .idle_timeout(None);
        Ok(Self {
            feed: single
                .acquire_timeout(settings.acquire_timeout.min(FEED_WAIT))
                .connect_lazy_with(options.clone()),
            editing: limited
                .clone()
                .min_connections(0)
                .max_connections(EDITORS)
                .connect_lazy_with(options.clone()),
            pool: limited.connect_lazy_with(options.clone()),
            listening: waiting.connect_lazy_with(options),
            hints: Arc::default(),
            servers,
            odd: Arc::default(),
            settings: settings.clone(),
        })
    }

    /// Leaves the server in use, which was found to be none that takes writes: its connections are
    /// closed, and nothing is asked of it until it does. Gives the error of the statement that found it.
    pub(super) fn leave_server(&self, cause: Unfit) -> Error {
        self.servers.leave();
        Error::datastore(NoServer(vec![cause]))
    }

    /// As `open` does, with a pool of a server that takes writes: looks for one where that is in doubt.
    pub(super) async fn reach<T, F>(
        &self,
        pool: &PgPool,
        open: impl Fn() -> F + Send + Sync,
    ) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        let patience = pool.options().get_acquire_timeout();
        let asked = Instant::now();
        loop {
            let mut doubts = self.servers.doubts();
            self.settle(patience.saturating_sub(asked.elapsed()))
                .await?;
            // The pool tries one that refuses until its time is over, and forgets why.
            tokio::select! {
                opened = open() => {
                    if opened.as_ref().is_err_and(is_pool_trouble) {
                        self.servers.doubt();
                    }
                    return opened;
                }
                Ok(()) = doubts.changed() => {}
            }
        }
    }

    /// Has all pools connect to a server that takes writes, once there is one.
    async fn settle(&self, patience: Duration) -> Result<(), sqlx::Error> {
        let pools = [&self.pool, &self.feed, &self.listening, &self.editing];
        let settled = self.servers.settle(patience, |options| {
            for pool in pools {
                pool.set_connect_options(options.clone());
            }
        });
        Ok(settled.await?)
    }

    /// Runs a read, or a call that may be made twice, again on another connection as long as the
    /// pool gives out dead ones: after a restart of the server every idle one is. So it does, once,
    /// where a server takes no writes.
    pub(super) async fn fetch<R>(
        &self,
        pool: &PgPool,
        context: &'static str,
        query: impl Fn() -> Query<R> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        let limit = self.answer_limit(pool);
        let deadline = Instant::now() + self.settings.acquire_timeout + limit;
        let mut spare = pool.options().get_max_connections();
        let mut has_left = false;
        loop {
            let acquired = self.reach(pool, || pool.acquire()).await;
            let mut connection = acquired.map_err(|error| fault(context, error))?;
            let mut leaves = self.servers.leaves();
            let answer = tokio::select! {
                answer = timeout(limit, query().fetch_all(&mut *connection)) => answer,
                // Found by somebody else: this one would not answer, or what it says would not count.
                Ok(()) = leaves.changed() => Ok(Err(io::Error::from(ConnectionAborted).into())),
            };
            let error = match answer {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => {
                    // Detached: the pool would wait for the rest of the answer.
                    drop(connection.detach());
                    self.servers.doubt();
                    let silent = Unfit::Silent(self.servers.name(), limit);
                    return Err(Error::datastore(silent));
                }
            };
            if is_refused_write(&error) {
                drop(connection.detach());
                let refused = self.leave_server(Unfit::RefusedWrite(self.servers.name()));
                if has_left {
                    return Err(refused);
                }
                has_left = true;
            } else if is_dead_connection(&error) {
                drop(connection.detach());
                self.servers.doubt();
                if spare == 0 || Instant::now() > deadline {
                    return Err(fault(context, error));
                }
                spare -= 1;
            } else {
                return Err(fault(context, error));
            }
        }
    }

    /// How long an answer is waited for.
    fn answer_limit(&self, pool: &PgPool) -> Duration {
        let limit = self.settings.statement_timeout + GRACE;
        if std::ptr::eq(pool, &raw const self.feed) {
            limit.min(FEED_WAIT)
        } else {
            limit
        }
    }

    /// Runs a write once: whether a broken connection carried it out is not known.
    pub(super) async fn write<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Result<T, Error> {
        let limit = self.settings.acquire_timeout + self.settings.statement_timeout + GRACE;
        let settled = async {
            self.settle(self.settings.acquire_timeout).await?;
            work.await
        };
        match timeout(limit, settled).await {
            Ok(Err(error)) if is_refused_write(&error) => {
                Err(self.leave_server(Unfit::RefusedWrite(self.servers.name())))
            }
            Ok(done) => done.map_err(|error| fault(context, error)),
            Err(_) => Err(Error::datastore(NoAnswer(limit))),
        }
    }
}

#[async_trait]
impl Datastore for PostgresStore {
    async fn check(&self) -> Result<(), MigrationError> {
        // Not from the pool, which tries again until its time is over, and forgets why.
        let mut connection = connect_to_one(&self.servers).await?;
        let checked = migrate::check(&mut connection).await;
        connection.close().await.ok();
        checked
    }

    async fn fill(&self) -> Result<(), Error> {
        let count = self.settings.min_connections.max(1);
        let open = (0..count).map(|_| self.reach(&self.pool, || self.pool.acquire()));
        futures_util::future::try_join_all(open)
            .await
            .map_err(|error| fault("opening connections", error))?;
        Ok(())
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
        let open = self.pool.size();
        let idle = u32::try_from(self.pool.num_idle())
            .unwrap_or(u32::MAX)
            .min(open);
        PoolState {
            open,
            idle,
            max: self.pool.options().get_max_connections(),
        }
    }

    async fn listen(&self) {
        listener::listen(self, &self.listening).await;
    }

    async fn close(&self) {
        futures_util::join!(
            self.pool.close(),
            self.feed.close(),
            self.listening.close(),
            self.editing.close()
        );
    }
}

/// Whether the pool could not give a connection because of the server, or may not.
fn is_pool_trouble(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut) || is_dead_connection(error)
}

fn pool_options(settings: &PoolSettings, servers: &Arc<Servers>) -> PgPoolOptions {
    let limit = format!("{}ms", settings.statement_timeout.as_millis());
    let (admitting, taken, returned) = (servers.clone(), servers.clone(), servers.clone());
    PgPoolOptions::new()
        .min_connections(settings.min_connections)
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .max_lifetime(settings.max_lifetime)
        .idle_timeout(settings.idle_timeout)
        // A ping for each read would double its cost; reads try again on a dead connection instead.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let (limit, servers) = (limit.clone(), admitting.clone());
            Box::pin(async move {
                // Not startup parameters: poolers in between refuse those. A role's default may be
                // SERIALIZABLE, where one statement of ours sees less than the one before it did.
                let set = sqlx::query(
                    "SELECT
                        set_config('statement_timeout', $1, false),
                        set_config('default_transaction_isolation', 'read committed', false)",
                );
                connection.execute(set.bind(limit)).await?;
                servers.admit(connection).await
            })
        })
        .before_acquire(move |_, met| {
            let is_good = !taken.is_left(met.age);
            Box::pin(async move { Ok(is_good) })
        })
        .after_release(move |_, met| {
            let is_good = !returned.is_left(met.age);
            Box::pin(async move { Ok(is_good) })
        })
}
