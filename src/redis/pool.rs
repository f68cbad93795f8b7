//! Connections to Redis, to one server or to a cluster, that many tasks share.
use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bb8_redis::{
    bb8,
    redis::{
        AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value,
        aio::{ConnectionLike, MultiplexedConnection},
        cluster::ClusterClient,
        cluster_async::ClusterConnection,
    },
};
use tokio::time::Instant;

use super::{
    errors::problem_of,
    servers::{Primary, RedisLogin, RedisServers, Topology},
};

/// Opens connections for the pool, to one server or to a cluster.
#[derive(Clone)]
pub(super) struct Manager {
    servers: RedisServers,
    timeout: Duration,
    /// Shared by all clones, with the log-in that it was made of.
    target: Arc<Mutex<(Arc<RedisLogin>, ConnectTarget)>>,
}

#[derive(Clone)]
enum ConnectTarget {
    Primary(Primary, AsyncConnectionConfig),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum RawConnection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A connection. Its clones share the flag that says that it broke, so that the pool drops it.
#[derive(Clone)]
pub(super) struct Connection {
    raw: RawConnection,
    broken: Arc<AtomicBool>,
    opened_at: Instant,
    login: Arc<RedisLogin>,
}

impl Manager {
    /// Reads the URL; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When the URL is not one. The error does not repeat it.
    pub(super) fn open(servers: &RedisServers, timeout: Duration) -> RedisResult<Self> {
        let login = servers.login();
        let target = ConnectTarget::of(&login, timeout)?;
        Ok(Self {
            servers: servers.clone(),
            timeout,
            target: Arc::new(Mutex::new((login, target))),
        })
    }

    /// What the log-in in force leads to.
    fn target(&self) -> (Arc<RedisLogin>, ConnectTarget) {
        let login = self.servers.login();
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&target.0, &login)
            && let Ok(renewed) = ConnectTarget::of(&login, self.timeout)
        {
            *target = (login, renewed);
        }
        target.clone()
    }
}

impl ConnectTarget {
    fn of(login: &RedisLogin, timeout: Duration) -> RedisResult<Self> {
        let connect = login.connect_timeout(timeout);
        let primary = match login.topology()? {
            Topology::Primary(primary) => primary,
            Topology::Cluster(cluster) => {
                let cluster = cluster
                    .connection_timeout(connect)
                    .response_timeout(timeout)
                    .retries(1)
                    .build()?;
                return Ok(Self::Cluster(Box::new(cluster)));
            }
        };
        // A burst of misses is one pipeline; the default of 50 would make callers queue. How long an
        // answer may take is for the client to decide: one timer for each command is enough.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        Ok(Self::Primary(primary, config))
    }

    async fn connect(&self) -> RedisResult<RawConnection> {
        Ok(match self {
            Self::Primary(primary, config) => {
                let client = primary.client().await?;
                let connection = client.get_multiplexed_async_connection_with_config(config);
                RawConnection::Single(connection.await?)
            }
            Self::Cluster(client) => RawConnection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// Connections that many tasks use at once: their commands travel together, which is what makes it fast. Each is
/// taken from `bb8` once and used until it breaks.
pub(super) struct ConnectionPool {
    servers: RedisServers,
    pool: bb8::Pool<Manager>,
    /// One more connection, for probes only.
    probe: bb8::Pool<Manager>,
    open: Vec<Mutex<Option<Connection>>>,
    turn: AtomicUsize,
    last_error: LastConnectError,
}

/// When and why the last attempt to connect failed; bb8 does not return that to callers that wait.
#[derive(Clone, Debug, Default)]
struct LastConnectError(Arc<Mutex<Option<(Instant, String)>>>);

impl bb8::ErrorSink<RedisError> for LastConnectError {
    fn sink(&self, error: RedisError) {
        let last = Some((Instant::now(), problem_of(&error)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    fn boxed_clone(&self) -> Box<dyn bb8::ErrorSink<RedisError>> {
        Box::new(self.clone())
    }
}

impl ConnectionPool {
    /// At most `connections`, and no more than there are cores: each is read by a task of its own,
    /// and what travels together costs least. Nothing is connected yet.
    pub(super) fn new(manager: Manager, connections: u32, timeout: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        let connections = connections.min(cores);
        let last_error = LastConnectError::default();
        let servers = manager.servers.clone();
        let pool = |connections, manager| {
            bb8::Pool::builder()
                .error_sink(Box::new(last_error.clone()))
                .max_size(connections)
                .connection_timeout(timeout)
                .queue_strategy(bb8::QueueStrategy::Fifo)
                .test_on_check_out(false)
                .retry_connection(false)
                .build_unchecked(manager)
        };
        Self {
            servers,
            pool: pool(connections, manager.clone()),
            probe: pool(1, manager),
            open: (0..connections).map(|_| Mutex::default()).collect(),
            turn: AtomicUsize::new(0),
            last_error,
        }
    }

    /// Why connecting failed within the last `lately`; `None` if it did not.
    pub(super) fn recent_error(&self, lately: Duration) -> Option<String> {
        let last = self.last_error.0.lock();
        let (at, problem) = last.unwrap_or_else(PoisonError::into_inner).clone()?;
        (at.elapsed() <= lately).then_some(problem)
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> u32 {
        self.pool.state().connections
    }

    /// The next connection, in turn.
    pub(super) async fn next(&self) -> Result<Connection, bb8::RunError<RedisError>> {
        let turn = self.turn.fetch_add(1, Relaxed) % self.open.len().max(1);
        let slot = self.open.get(turn);
        let usable = slot.and_then(|slot| lock(slot).clone().filter(Connection::is_usable));
        if let Some(connection) = usable {
            return Ok(connection);
        }
        let connection = taken_from(&self.pool).await?;
        if let Some(slot) = slot {
            *lock(slot) = Some(connection.clone());
        }
        Ok(connection)
    }

    /// After a failure in a cluster: looks for another log-in, and takes connections with an old one out of use. They
    /// connect to their nodes again by themselves, and never say that a log-in was refused.
    pub(super) fn renew_login(&self) {
        self.servers.renew();
        let login = self.servers.login();
        for slot in &self.open {
            if let Some(connection) = &*lock(slot)
                && !Arc::ptr_eq(&connection.login, &login)
            {
                connection.broken.store(true, Relaxed);
            }
        }
    }

    /// The connection that only probes use.
    pub(super) async fn for_probe(&self) -> Result<Connection, bb8::RunError<RedisError>> {
        taken_from(&self.probe).await
    }
}

async fn taken_from(pool: &bb8::Pool<Manager>) -> Result<Connection, bb8::RunError<RedisError>> {
    loop {
        let connection = pool.get().await?;
        if connection.is_usable() {
            return Ok(connection.clone());
        } // else the pool drops it as it comes back
    }
}

fn lock(slot: &Mutex<Option<Connection>>) -> std::sync::MutexGuard<'_, Option<Connection>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.broken.load(Relaxed)
    }

    /// The flag that takes the connection out of use; `None` for a cluster's, which reconnects by itself.
    pub(super) fn broken_flag(&self) -> Option<BrokenFlag> {
        match self.raw {
            RawConnection::Single(_) => Some(BrokenFlag {
                broken: Arc::clone(&self.broken),
                opened_at: self.opened_at,
            }),
            RawConnection::Cluster(_) => None,
        }
    }
}

/// Marks a connection as broken, for all its clones.
pub(super) struct BrokenFlag {
    broken: Arc<AtomicBool>,
    opened_at: Instant,
}

/// A server that accepts connections and closes them sooner than this does not work.
const STEADY: Duration = Duration::from_secs(1);

impl BrokenFlag {
    pub(super) fn set(&self) {
        self.broken.store(true, Relaxed);
    }

    /// Whether the connection has lasted for a while.
    pub(super) fn is_steady(&self) -> bool {
        self.opened_at.elapsed() >= STEADY
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<Connection> {
        let (login, target) = self.target();
        let connected = target.connect().await;
        if let Err(error) = &connected {
            self.servers.renew_after(error);
        }
        Ok(Connection {
            raw: connected?,
            broken: Arc::default(),
            opened_at: Instant::now(),
            login,
        })
    }

    async fn is_valid(&self, connection: &mut Connection) -> RedisResult<()> {
        bb8_redis::redis::cmd("PING").query_async(connection).await
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.broken.load(Relaxed)
    }
}

fn note<T>(broken: &AtomicBool, result: RedisResult<T>) -> RedisResult<T> {
    if let Err(error) = &result
        && (error.is_unrecoverable_error() || error.is_connection_dropped() || error.is_timeout())
    {
        broken.store(true, Relaxed);
    }
    result
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let broken = &self.broken;
        match &mut self.raw {
            RawConnection::Single(raw) => {
                Box::pin(async move { note(broken, raw.send_packed_command(cmd).await) })
            }
            // It reconnects by itself, node by node.
            RawConnection::Cluster(raw) => raw.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let broken = &self.broken;
        match &mut self.raw {
            RawConnection::Single(raw) => Box::pin(async move {
                note(
                    broken,
                    raw.send_packed_commands(pipeline, offset, count).await,
                )
            }),
            RawConnection::Cluster(raw) => raw.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.raw {
            RawConnection::Single(raw) => raw.get_db(),
            RawConnection::Cluster(_) => 0,
        }
    }
}
