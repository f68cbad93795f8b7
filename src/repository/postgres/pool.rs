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
    live::{Life, Live},
    servers::Servers,
    unfit::{NoServer, Unopened},
};

/// A connection that was unused for this long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(5);
/// How long its answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// A server that has no connections left is not asked for one more for this long.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// How long connections may take to come back and to say goodbye, when the process ends.
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
    /// One older than this is replaced when it is asked for or given back.
    pub(super) max_lifetime: Duration,
    /// One unused for this long is closed, down to `min`, as others are given back.
    pub(super) idle_timeout: Duration,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NoConnection {
    /// Statements of this process hold all that it may have, or that the server grants it.
    #[error("none of {open} connections came free within {waited:?}, and there may be {max}")]
    Busy {
        open: u32,
        max: u32,
        waited: Duration,
    },
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
    idle: Mutex<Vec<Live>>,
    open: Arc<AtomicU32>,
    is_filling: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Pool {
    pub(super) fn new(servers: Arc<Servers>, limits: PoolLimits) -> Self {
        let most = usize::try_from(limits.max).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            servers,
            permits: Arc::new(Semaphore::new(most)),
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
        self.acquire_within(self.0.limits.acquire_timeout).await
    }

    /// As [`Self::acquire`], with another limit for a free one, and again for a new one.
    async fn acquire_within(&self, limit: Duration) -> Result<Lease, NoConnection> {
        let mut permit = self.permit(limit).await?;
        let mut deadline = None;
        loop {
            while let Some(idle) = self.take_idle() {
                if let Some(live) = self.vet(idle).await {
                    return Ok(self.lease(live, permit));
                }
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
            match self.connect(permit, limit, deadline).await {
                Ok(lease) => return Ok(lease),
                // Own ones do the work: there are fewer permits meanwhile.
                Err(Unopened::Full(_)) if self.open() > 0 && Instant::now() < deadline => {}
                Err(Unopened::Full(unfit)) => return Err(NoServer(vec![unfit]).into()),
                Err(Unopened::NoServer(none)) => return Err(none.into()),
            }
            permit = timeout_at(deadline, self.permit(limit))
                .await
                .unwrap_or_else(|_| Err(self.none_free(limit)))?;
        }
    }

    /// A connection that was not used before: the others may be dead.
    pub(super) async fn acquire_new(&self) -> Result<Lease, NoConnection> {
        self.acquire_new_within(self.0.limits.acquire_timeout).await
    }

    async fn acquire_new_within(&self, limit: Duration) -> Result<Lease, NoConnection> {
        let permit = self.permit(limit).await?;
        match self.connect(permit, limit, Instant::now() + limit).await {
            Ok(lease) => Ok(lease),
            Err(Unopened::Full(unfit)) => Err(NoServer(vec![unfit]).into()),
            Err(Unopened::NoServer(none)) => Err(none.into()),
        }
    }

    /// Opens the connections that are kept open, in the time that connecting may take.
    pub(super) async fn fill(&self) -> Result<(), NoConnection> {
        let limit = self.0.servers.patience();
        let first = self.acquire_within(limit).await?;
        let others = (1..self.0.limits.min).map(|_| self.acquire_new_within(limit));
        let others = futures_util::future::join_all(others).await;
        first.give_back();
        for lease in others {
            match lease {
                Ok(lease) => lease.give_back(),
                // Where the server grants fewer, those that there are do the work.
                Err(none) => tracing::warn!(
                    component = "database",
                    problem = %none,
                    "fewer connections are open than are to be kept open; calls wait for those that there are"
                ),
            }
        }
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

    /// Closes every connection, and waits a moment for those in use.
    pub(super) async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        let idle = std::mem::take(&mut *self.idle_list());
        let goodbyes = idle.into_iter().map(|live| live.session.connection.close());
        let in_use = async {
            self.0.tasks.wait().await;
            self.0.permits.acquire_many(self.0.limits.max).await.is_ok()
        };
        let closing = futures_util::future::join(futures_util::future::join_all(goodbyes), in_use);
        timeout(CLOSE_TIMEOUT, closing).await.ok();
    }

    async fn permit(&self, limit: Duration) -> Result<OwnedSemaphorePermit, NoConnection> {
        if self.0.stop.is_cancelled() {
            return Err(NoConnection::Closed);
        }
        let free = Arc::clone(&self.0.permits).acquire_owned();
        match timeout(limit, free).await {
            Ok(permit) => permit.map_err(|_| NoConnection::Closed),
            Err(_) => Err(self.none_free(limit)),
        }
    }

    /// Why no connection came free: those that are being opened count as used.
    fn none_free(&self, limit: Duration) -> NoConnection {
        let busy = NoConnection::Busy {
            open: self.open(),
            max: self.0.limits.max,
            waited: limit,
        };
        let trouble = self.0.servers.trouble(limit);
        trouble.map_or(busy, NoConnection::NoServer)
    }

    /// The one used last, unless its server is in doubt.
    fn take_idle(&self) -> Option<Live> {
        if self.0.servers.is_doubtful() {
            return None;
        }
        self.idle_list().pop()
    }

    /// The connection, if it can be used.
    async fn vet(&self, mut live: Live) -> Option<Live> {
        if self.is_over(&live) {
            return None;
        }
        let suspicion = self.0.servers.suspicion(live.life);
        if suspicion.is_none() && live.life.heard_at.elapsed() < QUIET {
            return Some(live);
        }
        let limit = suspicion.unwrap_or(PING_TIMEOUT);
        match timeout(limit, live.session.connection.ping()).await {
            Ok(Ok(())) => {
                live.life.heard_at = Instant::now();
                Some(live)
            }
            // The server or somebody in between ended it, as they may.
            Ok(Err(_)) => None,
            Err(_) => {
                if suspicion.is_some() {
                    // Its server answers others: so nobody needs to ask those that were not heard for longer.
                    let mut idle = self.idle_list();
                    idle.retain(|other| other.life.heard_at > live.life.heard_at);
                }
                self.0.servers.suspect(live.life);
                None
            }
        }
    }

    fn is_over(&self, live: &Live) -> bool {
        live.life.opened_at.elapsed() > self.0.limits.max_lifetime
            || self.0.servers.is_left(live.life)
    }

    /// Closes those that nobody needed for longest, where there would be too many with one more.
    fn make_room(&self) {
        let mut idle = self.idle_list();
        let excess = idle
            .len()
            .saturating_sub(self.0.permits.available_permits());
        idle.drain(..excess);
    }

    /// Opens a connection, which the next caller gets if this one does not wait for it.
    async fn connect(
        &self,
        permit: OwnedSemaphorePermit,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Lease, Unopened> {
        self.make_room();
        let (tell, told) = oneshot::channel();
        let pool = self.clone();
        let work = async move {
            let is_wanted = || !tell.is_closed();
            match pool.0.servers.connect(is_wanted).await {
                Ok(Some(session)) => {
                    let lease = pool.lease(Live::new(session, &pool.0.open), permit);
                    if let Err(Ok(lease)) = tell.send(Ok(lease)) {
                        lease.give_back();
                    }
                }
                Ok(None) => {}
                Err(unfit @ Unopened::Full(_)) => {
                    tell.send(Err(unfit)).ok();
                    if pool.idle() == 0 {
                        sleep(FULL_PAUSE).await;
                    }
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
        match timeout_at(deadline, told).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) | Err(_) => Err(Unopened::NoServer(self.0.servers.silence(limit))),
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
        let (pool, stop) = (self.clone(), self.0.stop.clone());
        let work = async move {
            while pool.open() < pool.0.limits.min
                && let Ok(permit) = Arc::clone(&pool.0.permits).try_acquire_owned()
                && pool.idle_list().len() <= pool.0.permits.available_permits()
                && let Ok(Some(session)) = pool.0.servers.connect(|| true).await
            {
                pool.keep(Live::new(session, &pool.0.open));
                drop(permit);
            }
            // Whatever ended it, the server is not asked again at once.
            sleep(FULL_PAUSE).await;
            pool.0.is_filling.store(false, Relaxed);
        };
        self.0.tasks.spawn(stop.run_until_cancelled_owned(work));
    }

    fn take_back(&self, mut live: Live) {
        live.life.heard_at = Instant::now();
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
                .is_some_and(|first| first.life.heard_at.elapsed() > self.0.limits.idle_timeout);
        if is_spare {
            idle.remove(0);
        }
        idle.push(live);
    }

    fn idle_list(&self) -> MutexGuard<'_, Vec<Live>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    pub(super) fn life(&self) -> Life {
        self.live.life
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
