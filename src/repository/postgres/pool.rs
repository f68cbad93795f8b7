//! Connections to the server in use, kept for the next statement.
//!
//! One comes back only when what it was taken for was done and answered. Whoever is stopped before, by a time limit
//! or because nobody waits for him any more, leaves one that is closed: nobody waits for the rest of its answer.
//! Connecting has a limit of its own, and goes on for the next caller when the one who wanted it has gone.
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    servers::Servers,
    session::Session,
    unfit::{NoServer, Unfit},
};

/// A connection that was unused for this long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(5);
/// How long its answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// A server that has no connections left is not asked for one more for this long.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// How long connections may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How connections are kept.
#[derive(Clone)]
pub(super) struct PoolLimits {
    /// How many are kept open.
    pub(super) min: u32,
    /// How many there are at most.
    pub(super) max: u32,
    /// How long a free one is waited for, and as long again a new one.
    pub(super) acquire_timeout: Duration,
    /// One older than this is replaced.
    pub(super) max_lifetime: Duration,
    /// One unused for this long is closed, down to `min`.
    pub(super) idle_timeout: Duration,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NoConnection {
    /// Statements of this process hold all that it may have, or that the server grants it.
    #[error("all {0} connections were in use for {1:?}")]
    Busy(u32, Duration),
    /// The server cannot be used.
    #[error(transparent)]
    NoServer(#[from] NoServer),
    /// The process ends.
    #[error("the connections are closed")]
    Closed,
}

/// Connections for one purpose. A clone is another hand on the same ones.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    servers: Arc<Servers>,
    limits: PoolLimits,
    /// One for each connection that is in use or being opened.
    permits: Arc<Semaphore>,
    /// The one used last is at the end, and is used first.
    idle: Mutex<Vec<Idle>>,
    open: Arc<AtomicU32>,
    is_filling: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Idle {
    live: Live,
    since: Instant,
}

struct Live {
    session: Session,
    opened_at: Instant,
    _counted: Counted,
}

/// Counts a connection as long as it is there.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn one(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Pool {
    pub(super) fn new(servers: Arc<Servers>, limits: PoolLimits) -> Self {
        let most = usize::try_from(limits.max).unwrap_or(usize::MAX);
        Self(Arc::new(Inner {
            servers,
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            limits,
            idle: Mutex::default(),
            open: Arc::default(),
            is_filling: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// A connection to a server that takes writes.
    pub(super) async fn acquire(&self) -> Result<Lease, NoConnection> {
        let mut permit = self.permit().await?;
        while let Some(idle) = self.take_idle() {
            if let Some(live) = self.vet(idle).await {
                return Ok(self.lease(live, permit));
            }
        }
        let deadline = Instant::now() + self.0.limits.acquire_timeout;
        loop {
            match self.connect(permit, deadline).await {
                Ok(lease) => return Ok(lease),
                // Own ones do the work: there are fewer permits meanwhile.
                Err(Unopened::Full(_)) if self.open() > 0 && Instant::now() < deadline => {}
                Err(Unopened::Full(unfit)) => return Err(NoServer(vec![unfit]).into()),
                Err(Unopened::NoServer(none)) => return Err(none.into()),
            }
            permit = timeout_at(deadline, self.permit())
                .await
                .unwrap_or_else(|_| Err(self.none_free()))?;
            if let Some(idle) = self.take_idle() {
                return Ok(self.lease(idle.live, permit));
            }
        }
    }

    /// A connection that was not used before: the others may be dead.
    pub(super) async fn acquire_new(&self) -> Result<Lease, NoConnection> {
        let permit = self.permit().await?;
        if self.open() >= self.0.limits.max {
            drop(self.take_idle());
        }
        let deadline = Instant::now() + self.0.limits.acquire_timeout;
        match self.connect(permit, deadline).await {
            Ok(lease) => Ok(lease),
            Err(Unopened::Full(unfit)) => Err(NoServer(vec![unfit]).into()),
            Err(Unopened::NoServer(none)) => Err(none.into()),
        }
    }

    /// Opens the connections that are kept open.
    pub(super) async fn fill(&self) -> Result<(), NoConnection> {
        let leases = (0..self.0.limits.min.max(1)).map(|_| self.acquire());
        let leases = futures_util::future::try_join_all(leases).await?;
        leases.into_iter().for_each(Lease::give_back);
        Ok(())
    }

    /// How many connections there are, in use or not.
    pub(super) fn open(&self) -> u32 {
        self.0.open.load(Relaxed)
    }

    /// How many of them wait.
    pub(super) fn idle(&self) -> u32 {
        u32::try_from(self.idle_list().len()).unwrap_or(u32::MAX)
    }

    pub(super) fn limits(&self) -> &PoolLimits {
        &self.0.limits
    }

    /// Closes every connection, waiting for those in use.
    pub(super) async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let all = self.0.permits.acquire_many(self.0.limits.max).await;
        drop(all);
        let idle = std::mem::take(&mut *self.idle_list());
        let closing = idle
            .into_iter()
            .map(|idle| idle.live.session.connection.close());
        let closing = futures_util::future::join_all(closing);
        timeout(CLOSE_TIMEOUT, closing).await.ok();
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, NoConnection> {
        if self.0.stop.is_cancelled() {
            return Err(NoConnection::Closed);
        }
        let free = Arc::clone(&self.0.permits).acquire_owned();
        match timeout(self.0.limits.acquire_timeout, free).await {
            Ok(permit) => permit.map_err(|_| NoConnection::Closed),
            Err(_) => Err(self.none_free()),
        }
    }

    /// Why no connection came free: those that are being opened count as used.
    fn none_free(&self) -> NoConnection {
        let limits = &self.0.limits;
        let trouble = self.0.servers.trouble(limits.acquire_timeout);
        trouble.map_or(
            NoConnection::Busy(limits.max, limits.acquire_timeout),
            NoConnection::NoServer,
        )
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle_list().pop()
    }

    /// The connection, if it can be used.
    async fn vet(&self, mut idle: Idle) -> Option<Live> {
        if self.is_over(&idle.live) {
            return None;
        }
        if idle.since.elapsed() < QUIET {
            return Some(idle.live);
        }
        match timeout(PING_TIMEOUT, idle.live.session.connection.ping()).await {
            Ok(Ok(())) => Some(idle.live),
            // The server or somebody in between ended it, as they may.
            Ok(Err(_)) => None,
            Err(_) => {
                self.0.servers.suspect(idle.live.opened_at);
                None
            }
        }
    }

    fn is_over(&self, live: &Live) -> bool {
        live.opened_at.elapsed() > self.0.limits.max_lifetime
            || self.0.servers.is_outdated(live.opened_at)
    }

    /// Opens a connection, which the next caller gets if this one does not wait for it.
    async fn connect(
        &self,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Lease, Unopened> {
        let (tell, told) = oneshot::channel();
        let pool = self.clone();
        let work = async move {
            let is_wanted = || !tell.is_closed();
            match pool.0.servers.connect(is_wanted).await {
                Ok(Some(session)) => {
                    let lease = pool.lease(pool.live(session), permit);
                    if let Err(Ok(lease)) = tell.send(Ok(lease)) {
                        lease.give_back();
                    }
                }
                Ok(None) => {}
                Err(unfit @ Unopened::Full(_)) => {
                    tell.send(Err(unfit)).ok();
                    sleep(FULL_PAUSE).await;
                    drop(permit);
                }
                Err(none) => {
                    drop(permit);
                    tell.send(Err(none)).ok();
                }
            }
        };
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(work));
        let limit = self.0.limits.acquire_timeout;
        match timeout_at(deadline, told).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) | Err(_) => Err(Unopened::NoServer(self.0.servers.silence(limit))),
        }
    }

    fn live(&self, session: Session) -> Live {
        Live {
            session,
            opened_at: Instant::now(),
            _counted: Counted::one(&self.0.open),
        }
    }

    fn lease(&self, live: Live, permit: OwnedSemaphorePermit) -> Lease {
        Lease {
            live,
            pool: self.clone(),
            _permit: permit,
        }
    }

    /// Opens connections in the background while there are fewer than are kept open.
    fn keep_min(&self) {
        if self.open() >= self.0.limits.min || self.0.is_filling.swap(true, Relaxed) {
            return;
        }
        let pool = self.clone();
        let work = async move {
            while pool.open() < pool.0.limits.min
                && let Ok(permit) = Arc::clone(&pool.0.permits).try_acquire_owned()
                && let Ok(Some(session)) = pool.0.servers.connect(|| true).await
            {
                pool.keep(pool.live(session));
                drop(permit);
            }
            pool.0.is_filling.store(false, Relaxed);
        };
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(work));
    }

    fn take_back(&self, live: Live) {
        self.keep(live);
        self.keep_min();
    }

    fn keep(&self, live: Live) {
        if self.is_over(&live) || self.0.stop.is_cancelled() {
            return;
        }
        let mut idle = self.idle_list();
        // Those at the other end are the ones that nobody needed for longest.
        let is_spare = self.open() > self.0.limits.min
            && idle
                .first()
                .is_some_and(|first| first.since.elapsed() > self.0.limits.idle_timeout);
        if is_spare {
            idle.remove(0);
        }
        idle.push(Idle {
            live,
            since: Instant::now(),
        });
    }

    fn idle_list(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection was not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The server has given away all that it has.
    Full(Unfit),
    NoServer(NoServer),
}

/// A connection in use. Dropped, it is closed.
pub(super) struct Lease {
    live: Live,
    pool: Pool,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// To be called when nothing is open on it: no statement, no transaction.
    pub(super) fn give_back(self) {
        self.pool.take_back(self.live);
    }

    /// Whether the session is lent for one transaction each: nothing may stay on it beyond one.
    pub(super) fn is_shared(&self) -> bool {
        self.live.session.is_shared
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.live.opened_at
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.live.session.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.live.session.connection
    }
}
