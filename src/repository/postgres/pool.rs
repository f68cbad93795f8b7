//! Pools of connections to the server in use.
//!
//! A connection returns to its pool only after its statement or transaction was answered. A caller that is cancelled
//! before that, by a time limit or because its own caller left, closes the connection, so nobody waits for the rest of
//! an answer. Connecting has a time limit of its own, and continues for the next caller when the first one left.
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::{join, join_all};
use parking_lot::Mutex;
use sqlx::{Connection, PgConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    server_error::NoUsableServer,
    servers::{OpenError, Servers},
    session::{ConnectionTimes, Session},
};
use crate::repository::PoolSettings;

/// A connection that was idle for this long is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a server without free connections is not asked for another one.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// How long closing the pool waits for connections in use, and for the server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum AcquireError {
    /// Statements of this process use all connections that the pool may have, or that the server grants.
    #[error("none of {open} connections came free within {waited:?}, and there may be {max}")]
    Busy {
        open: u32,
        max: u32,
        waited: Duration,
    },
    #[error(transparent)]
    NoUsableServer(#[from] NoUsableServer),
    /// The process is shutting down.
    #[error("the connections are closed")]
    Closed,
}

impl From<OpenError> for AcquireError {
    fn from(error: OpenError) -> Self {
        Self::NoUsableServer(match error {
            OpenError::Full(full) => NoUsableServer(vec![full]),
            OpenError::NoUsableServer(none) => none,
        })
    }
}

/// Connections for one purpose. A clone shares them.
#[derive(Clone)]
pub(super) struct Pool(Arc<PoolInner>);

struct PoolInner {
    servers: Arc<Servers>,
    settings: PoolSettings,
    /// One for each connection that is in use or being opened.
    permits: Arc<Semaphore>,
    /// The most recently used connection is last, and is taken first.
    idle: Mutex<Vec<OpenConnection>>,
    open: Arc<AtomicU32>,
    is_filling: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Pool {
    pub(super) fn new(servers: Arc<Servers>, settings: PoolSettings) -> Self {
        let permits = usize::try_from(settings.max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(PoolInner {
            servers,
            permits: Arc::new(Semaphore::new(permits)),
            settings,
            idle: Mutex::default(),
            open: Arc::default(),
            is_filling: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Takes a connection to a server that accepts writes; waits for `limit`, and as long again for a new one.
    pub(super) async fn acquire(&self, limit: Duration) -> Result<PooledConnection, AcquireError> {
        let mut permit = self.permit(limit).await?;
        let mut deadline = None;
        loop {
            while let Some(idle) = self.take_idle() {
                if let Some(connection) = self.check(idle).await {
                    return Ok(self.lend(connection, permit));
                }
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
            match self.connect(permit, limit, deadline).await {
                Ok(connection) => return Ok(connection),
                // The open connections have to do: there are fewer permits meanwhile.
                Err(OpenError::Full(_)) if self.open() > 0 && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
            permit = timeout_at(deadline, self.permit(limit))
                .await
                .unwrap_or_else(|_| Err(self.none_free(limit)))?;
        }
    }

    /// As [`Self::acquire`], but a new connection, when the pooled ones may be broken.
    pub(super) async fn acquire_new(
        &self,
        limit: Duration,
    ) -> Result<PooledConnection, AcquireError> {
        let permit = self.permit(limit).await?;
        let connecting = self.connect(permit, limit, Instant::now() + limit);
        Ok(connecting.await?)
    }

    /// Opens the connections that are kept open, within the time that connecting may take.
    pub(super) async fn fill(&self) -> Result<(), AcquireError> {
        let limit = self.0.servers.connect_timeout();
        let first = self.acquire(limit).await?;
        let others = (1..self.0.settings.min_connections).map(|_| self.acquire_new(limit));
        let others = join_all(others).await;
        first.give_back();
        for connection in others {
            match connection {
                Ok(connection) => connection.give_back(),
                // Where the server grants fewer, the open ones have to do.
                Err(error) => tracing::warn!(
                    component = "database",
                    problem = %error,
                    "fewer connections than the pool's minimum could be opened; calls wait for those"
                ),
            }
        }
        Ok(())
    }

    /// How many connections are open, in use or idle.
    pub(super) fn open(&self) -> u32 {
        self.0.open.load(Relaxed)
    }

    pub(super) fn idle(&self) -> u32 {
        u32::try_from(self.0.idle.lock().len()).unwrap_or(u32::MAX)
    }

    pub(super) fn settings(&self) -> &PoolSettings {
        &self.0.settings
    }

    /// Closes every connection, after a short wait for those in use.
    pub(super) async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        let idle = std::mem::take(&mut *self.0.idle.lock());
        let goodbyes = idle.into_iter().map(|one| one.session.connection.close());
        let in_use = async {
            self.0.tasks.wait().await;
            self.0
                .permits
                .acquire_many(self.0.settings.max_connections)
                .await
                .is_ok()
        };
        let closing = join(join_all(goodbyes), in_use);
        timeout(CLOSE_TIMEOUT, closing).await.ok();
    }

    async fn permit(&self, limit: Duration) -> Result<OwnedSemaphorePermit, AcquireError> {
        if self.0.stop.is_cancelled() {
            return Err(AcquireError::Closed);
        }
        let free = Arc::clone(&self.0.permits).acquire_owned();
        match timeout(limit, free).await {
            Ok(permit) => permit.map_err(|_| AcquireError::Closed),
            Err(_) => Err(self.none_free(limit)),
        }
    }

    /// Why no connection came free: the pool is busy, unless its connections are only being opened.
    fn none_free(&self, limit: Duration) -> AcquireError {
        if self.0.servers.is_doubtful() {
            return AcquireError::NoUsableServer(self.0.servers.problems(limit));
        }
        AcquireError::Busy {
            open: self.open(),
            max: self.0.settings.max_connections,
            waited: limit,
        }
    }

    /// The most recently used connection, unless the server has to be checked first.
    fn take_idle(&self) -> Option<OpenConnection> {
        if self.0.servers.is_doubtful() {
            return None;
        }
        self.0.idle.lock().pop()
    }

    /// The connection, if it can be used; it is pinged where that is in doubt.
    async fn check(&self, mut connection: OpenConnection) -> Option<OpenConnection> {
        if self.is_expired(&connection) {
            return None;
        }
        let times = connection.times;
        let suspect_timeout = self.0.servers.ping_timeout(times);
        if suspect_timeout.is_none() && times.heard_at.elapsed() < PING_AFTER_IDLE {
            return Some(connection);
        }
        let limit = suspect_timeout.unwrap_or(PING_TIMEOUT);
        match timeout(limit, connection.session.connection.ping()).await {
            Ok(Ok(())) => {
                connection.times.heard_at = Instant::now();
                Some(connection)
            }
            // The server, or something in between, closed an idle connection, as it may.
            Ok(Err(_)) => None,
            Err(_) => {
                if suspect_timeout.is_some() {
                    // The server answers on new connections, so those that are silent for longer are broken too.
                    let mut idle = self.0.idle.lock();
                    idle.retain(|other| other.times.heard_at > times.heard_at);
                }
                self.0.servers.suspect(times);
                None
            }
        }
    }

    fn is_expired(&self, connection: &OpenConnection) -> bool {
        connection.times.opened_at.elapsed() > self.0.settings.max_lifetime
            || self.0.servers.is_abandoned(connection.times)
    }

    /// Closes the connections idle for longest, where another one would exceed the maximum.
    fn make_room(&self) {
        let mut idle = self.0.idle.lock();
        let excess = idle
            .len()
            .saturating_sub(self.0.permits.available_permits());
        idle.drain(..excess);
    }

    /// Opens a connection, which goes to the next caller if this one does not wait for it.
    async fn connect(
        &self,
        permit: OwnedSemaphorePermit,
        limit: Duration,
        deadline: Instant,
    ) -> Result<PooledConnection, OpenError> {
        self.make_room();
        let (result, opened) = oneshot::channel();
        let pool = self.clone();
        let work = async move {
            let is_wanted = || !result.is_closed();
            match pool.0.servers.connect(is_wanted).await {
                Ok(Some(session)) => {
                    let connection = OpenConnection::new(session, &pool.0.open);
                    let connection = pool.lend(connection, permit);
                    if let Err(Ok(connection)) = result.send(Ok(connection)) {
                        connection.give_back();
                    }
                }
                Ok(None) => {}
                Err(full @ OpenError::Full(_)) => {
                    result.send(Err(full)).ok();
                    if pool.idle() == 0 {
                        sleep(FULL_PAUSE).await;
                    }
                    drop(permit);
                }
                Err(none) => {
                    drop(permit);
                    result.send(Err(none)).ok();
                }
            }
        };
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(work));
        match timeout_at(deadline, opened).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) | Err(_) => Err(OpenError::NoUsableServer(self.0.servers.problems(limit))),
        }
    }

    fn lend(&self, connection: OpenConnection, permit: OwnedSemaphorePermit) -> PooledConnection {
        PooledConnection {
            connection,
            pool: self.clone(),
            _permit: permit,
        }
    }

    /// Opens connections in the background while there are fewer than the minimum.
    fn keep_min(&self) {
        if self.open() >= self.0.settings.min_connections || self.0.is_filling.swap(true, Relaxed) {
            return;
        }
        let (pool, stop) = (self.clone(), self.0.stop.clone());
        let work = async move {
            while pool.open() < pool.0.settings.min_connections
                && let Ok(permit) = Arc::clone(&pool.0.permits).try_acquire_owned()
                && pool.0.idle.lock().len() <= pool.0.permits.available_permits()
                && let Ok(Some(session)) = pool.0.servers.connect(|| true).await
            {
                pool.keep(OpenConnection::new(session, &pool.0.open));
                drop(permit);
            }
            // Whatever ended the loop, do not ask the server again at once.
            sleep(FULL_PAUSE).await;
            pool.0.is_filling.store(false, Relaxed);
        };
        self.0.tasks.spawn(stop.run_until_cancelled_owned(work));
    }

    fn keep(&self, connection: OpenConnection) {
        if self.is_expired(&connection) || self.0.stop.is_cancelled() {
            return;
        }
        let mut idle = self.0.idle.lock();
        // The first one is the one idle for longest.
        let is_spare = self.open() > self.0.settings.min_connections
            && idle
                .first()
                .is_some_and(|first| first.times.heard_at.elapsed() > self.0.settings.idle_timeout);
        if is_spare {
            idle.remove(0);
        }
        idle.push(connection);
    }
}

/// An open connection of a pool, in use or idle.
struct OpenConnection {
    session: Session,
    times: ConnectionTimes,
    _counted: OpenCount,
}

impl OpenConnection {
    fn new(session: Session, open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Relaxed);
        Self {
            session,
            times: ConnectionTimes::now(),
            _counted: OpenCount(Arc::clone(open)),
        }
    }
}

/// Counts a connection down when it is dropped.
struct OpenCount(Arc<AtomicU32>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A connection in use. Dropping it closes it.
pub(super) struct PooledConnection {
    connection: OpenConnection,
    pool: Pool,
    _permit: OwnedSemaphorePermit,
}

impl PooledConnection {
    /// Returns the connection to its pool. No statement and no transaction may be open on it.
    pub(super) fn give_back(mut self) {
        self.connection.times.heard_at = Instant::now();
        self.pool.keep(self.connection);
        self.pool.keep_min();
    }

    /// Whether a pooler gives each transaction another session: nothing may stay on it beyond a transaction.
    pub(super) fn is_shared(&self) -> bool {
        self.connection.session.is_shared
    }

    pub(super) fn times(&self) -> ConnectionTimes {
        self.connection.times
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.connection.session.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection.session.connection
    }
}
