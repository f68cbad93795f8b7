use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::QueryAs,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tonic::async_trait;

use super::{
    codes::{fault, is_dead_connection, is_refusal},
    listener, migrate,
};
use crate::{
    domain::{Error, PoolState},
    repository::{
        Datastore, MigrationError, PoolSettings,
        fault::{Broken, NoAnswer},
    },
};

/// How much longer than the statement may run its answer is waited for.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How many transactions of editors there are at once.
const EDITORS: u32 = 4;
/// How long a command waits for its connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Poked when a poll may be worth it.
    pub(super) changed: Arc<Notify>,
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
    pub(crate) fn open(url: &str, settings: &PoolSettings) -> Result<Self, MigrationError> {
        let options = connect_options(url)?;
        let limited = pool_options(settings);
        let single = limited.clone().min_connections(0).max_connections(1);
        // One is used; a spare, because a link that hangs is given back only when TCP gives it up.
        let waiting = PgPoolOptions::new()
            .max_connections(2)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(settings.acquire_timeout);
        Ok(Self {
            feed: single.connect_lazy_with(options.clone()),
            editing: limited
                .clone()
                .min_connections(0)
                .max_connections(EDITORS)
                .connect_lazy_with(options.clone()),
            pool: limited.connect_lazy_with(options.clone()),
            listening: waiting.connect_lazy_with(options),
            changed: Arc::new(Notify::new()),
            settings: settings.clone(),
        })
    }

    /// Runs a read, or a call that may be made twice, again on another connection as long as the
    /// pool gives out dead ones: after a restart of the server every idle one is.
    pub(super) async fn fetch<R>(
        &self,
        pool: &PgPool,
        context: &'static str,
        query: impl Fn() -> Query<R> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        let limit = self.settings.statement_timeout + GRACE;
        let deadline = Instant::now() + self.settings.acquire_timeout + limit;
        let mut spare = pool.options().get_max_connections();
        loop {
            let mut connection = pool.acquire().await.map_err(|e| fault(context, e))?;
            let answer = timeout(limit, query().fetch_all(&mut *connection)).await;
            match answer {
                Ok(Ok(rows)) => return Ok(rows),
                // Detached: the pool would wait for the rest of the answer.
                Err(_) => drop(connection.detach()),
                Ok(Err(error)) if is_dead_connection(&error) => {
                    drop(connection.detach());
                    if spare == 0 || Instant::now() > deadline {
                        return Err(fault(context, error));
                    }
                    spare -= 1;
                    continue;
                }
                Ok(Err(error)) => return Err(fault(context, error)),
            }
            return Err(Error::datastore(NoAnswer(limit)));
        }
    }

    /// Runs a write once: whether a broken connection carried it out is not known.
    pub(super) async fn write<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Result<T, Error> {
        let limit = self.settings.acquire_timeout + self.settings.statement_timeout + GRACE;
        match timeout(limit, work).await {
            Ok(done) => done.map_err(|error| fault(context, error)),
            Err(_) => Err(Error::datastore(NoAnswer(limit))),
        }
    }
}

#[async_trait]
impl Datastore for PostgresStore {
    async fn check(&self) -> Result<(), MigrationError> {
        // Not from the pool, which tries again until its time is over, and forgets why.
        let mut connection = open_connection(&self.pool.connect_options()).await?;
        let checked = migrate::check(&mut connection).await;
        connection.close().await.ok();
        checked
    }

    async fn fill(&self) -> Result<(), Error> {
        let count = self.settings.min_connections.max(1);
        let open = (0..count).map(|_| self.pool.acquire());
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
        listener::listen(&self.listening, &self.changed).await;
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

/// One connection outside of any pool, for a command.
pub(super) async fn connect(url: &str) -> Result<PgConnection, MigrationError> {
    open_connection(&connect_options(url)?).await
}

async fn open_connection(options: &PgConnectOptions) -> Result<PgConnection, MigrationError> {
    let connecting = PgConnection::connect_with(options);
    let unreachable = |cause| Err(MigrationError::Unreachable(cause));
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if is_refusal(&error) => Err(MigrationError::failed("connecting")(error)),
        Ok(Err(error)) => unreachable(error.into()),
        Err(_) => unreachable(NoAnswer(CONNECT_TIMEOUT).into()),
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, MigrationError> {
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("challenges-catalog"))
        // The driver's words could repeat a part of the address.
        .map_err(|_| {
            MigrationError::Url("must be postgres://user:password@host:port/database".to_owned())
        })
}

fn pool_options(settings: &PoolSettings) -> PgPoolOptions {
    let limit = format!("{}ms", settings.statement_timeout.as_millis());
    PgPoolOptions::new()
        .min_connections(settings.min_connections)
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .max_lifetime(settings.max_lifetime)
        .idle_timeout(settings.idle_timeout)
        // A ping for each read would double its cost; reads try again on a dead connection instead.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let limit = limit.clone();
            Box::pin(async move {
                // Not a startup parameter: poolers in between refuse those.
                let set = sqlx::query("SELECT set_config('statement_timeout', $1, false)");
                connection.execute(set.bind(limit)).await?;
                Ok(())
            })
        })
}
