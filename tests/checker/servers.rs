//! The servers under test: PostgreSQL, one Redis, and replicas that reach the database by proxies.
use std::{
    sync::{Mutex, RwLock},
    time::Duration,
};

use challenges_catalog::pb::{
    admin::v1::cache_admin_client::CacheAdminClient,
    catalog::v1::challenges_catalog_client::ChallengesCatalogClient,
};
use sqlx::AssertSqlSafe;
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::{
    catalog::{Row, difficulty_of, number_of},
    cluster::Cluster,
    edge::{EdgePlan, EdgeProfile},
    support::{
        fleet, program,
        proxy::Proxy,
        redis::{self, Redis},
        replica::Replica,
        varnish::Varnish,
    },
};

/// How many replicas serve.
pub const REPLICAS: usize = 4;
/// A process that ends before it serves is started so often, after this pause.
const STARTS: u32 = 60;
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// The replica that the edge asks.
pub const EDGE_ORIGIN: usize = 0;
/// Where nobody listens.
pub const NOWHERE: u16 = 1;

pub struct Servers {
    pub slots: Vec<Slot>,
    pub cluster: Cluster,
    pub redis: Redis,
    /// Held by those who commit; who takes it alone knows that nobody commits meanwhile.
    pub committing: tokio::sync::RwLock<()>,
    role: String,
    fault: Option<&'static str>,
    edge: Option<Edge>,
}

/// A cache in front of one replica.
struct Edge {
    profile: EdgeProfile,
    origin_port: u16,
    cache: Varnish,
}

impl Edge {
    fn start(EdgePlan { profile, fault }: EdgePlan) -> Self {
        let origin_port = free_port();
        let cache = Varnish::with(&format!("http://127.0.0.1:{origin_port}"), fault);
        Self {
            profile,
            origin_port,
            cache,
        }
    }

    /// What the replica behind it is set to.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            (
                "CATALOG_HTTP_ADDR",
                format!("127.0.0.1:{}", self.origin_port),
            ),
            ("CATALOG_HTTP_CACHE", self.profile.name().to_owned()),
        ];
        match self.profile {
            EdgeProfile::Proof => {}
            EdgeProfile::Edge => settings.extend([
                ("CATALOG_EDGE_PURGE", "varnish".to_owned()),
                ("CATALOG_EDGE_PURGE_URL", self.cache.url()),
                ("CATALOG_EDGE_PURGE_ON", "commits".to_owned()),
            ]),
        }
        settings
    }
}

/// One that nobody listens on for now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The place of one replica; the process in it can be another from time to time.
pub struct Slot {
    pub index: usize,
    /// The ways to the two hosts that the address of the database names.
    pub proxies: tokio::sync::Mutex<[Proxy; 2]>,
    ports: [u16; 2],
    replica: Mutex<Option<Replica>>,
    client: RwLock<(u32, Option<Channel>)>,
}

impl Servers {
    /// Starts everything; `fault` is a deliberate one, for builds that have them.
    pub async fn start(
        fault: Option<&'static str>,
        prepares: bool,
        edge: Option<EdgePlan>,
    ) -> Self {
        let cluster = Cluster::start(prepares).await;
        let database = cluster.database();
        let role = database.create_role("serve").await;
        let migrate = [("DATABASE_URL", database.url())];
        program::run_well(&["migrate", "up"], &migrate).await;
        fleet::grant(&database, &role).await;
        database.execute(include_str!("prepare.sql")).await;
        let mut slots = Vec::new();
        for index in 0..REPLICAS {
            let proxies = [Proxy::to(database.port()).await, Proxy::to(NOWHERE).await];
            slots.push(Slot {
                index,
                ports: [proxies[0].port(), proxies[1].port()],
                proxies: tokio::sync::Mutex::new(proxies),
                replica: Mutex::default(),
                client: RwLock::new((0, None)),
            });
        }
        Self {
            slots,
            cluster,
            redis: redis::start(),
            committing: tokio::sync::RwLock::default(),
            role,
            fault,
            edge: edge.map(Edge::start),
        }
    }

    /// Where callers over HTTP ask, if there is an edge.
    pub fn edge_url(&self) -> Option<String> {
        self.edge.as_ref().map(|edge| edge.cache.url())
    }

    /// Has one of the two hosts lead to a server, for every replica.
    pub async fn lead(&self, host: usize, port: u16) {
        for slot in &self.slots {
            slot.proxies.lock().await[host].switch_to(port);
        }
    }

    /// Has a new standby follow the primary, and lets the replicas find it.
    pub async fn add_standby(&self) {
        let standby = self.cluster.new_standby().await;
        self.lead(1 - self.cluster.primary().host, standby.port())
            .await;
        self.cluster.set_standby(Some(standby));
    }

    /// Starts a replica in each slot.
    pub async fn start_replicas(&self) {
        let starts = self.slots.iter().map(|slot| self.start_replica(slot));
        futures_util::future::join_all(starts).await;
    }

    /// Starts a new process in an empty slot.
    pub async fn start_replica(&self, slot: &Slot) {
        let database = self.cluster.database();
        let hosts = database.url_of_hosts(&slot.ports);
        let mut environment = vec![
            (
                "DATABASE_URL",
                hosts.replace("://postgres@", &format!("://{}@", self.role)),
            ),
            ("REDIS_URL", self.redis.url()),
            ("CATALOG_LOG", "warn".to_owned()),
            // It would repair what the checker is to see.
            ("CATALOG_AUDIT_INTERVAL", "0s".to_owned()),
            // A client that learns too late that its connection is to end cancels its own call.
            ("CATALOG_CONNECTION_AGE", "1d".to_owned()),
        ];
        if slot.index == EDGE_ORIGIN {
            environment.extend(self.edge.iter().flat_map(Edge::settings));
        }
        environment.extend(self.fault.map(|fault| ("CATALOG_FAULT", fault.to_owned())));
        let replica = until_it_serves(&environment).await;
        let url = format!("http://{}", replica.addr());
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        *slot.replica.lock().unwrap() = Some(replica);
        let mut client = slot.client.write().unwrap();
        *client = (client.0 + 1, Some(channel));
    }
}

/// Starts a process again that ends because the database gives no answer, as an orchestrator does.
async fn until_it_serves(environment: &[(&str, String)]) -> Replica {
    let mut problem = String::new();
    for _ in 0..STARTS {
        match Replica::try_start(environment).await {
            Ok(replica) => return replica,
            Err(end) => problem = end,
        }
        sleep(RESTART_PAUSE).await;
    }
    panic!("{problem}");
}

/// A row as SQL gives it.
pub type SqlRow = (String, String, i32, String);

pub fn row((id, difficulty, points, title): SqlRow) -> Row {
    Row {
        difficulty: difficulty_of(&difficulty),
        points,
        title,
        number: number_of(&id),
    }
}

/// A query made of text that only the checker wrote.
pub fn sql(text: impl Into<String>) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.into())
}

impl Slot {
    /// Counts the processes that there were.
    pub fn run(&self) -> u32 {
        self.client.read().unwrap().0
    }

    /// Which process this is, and a way to call it, unless it is down.
    pub fn channel(&self) -> Option<(u32, Channel)> {
        let client = self.client.read().unwrap();
        Some((client.0, client.1.clone()?))
    }

    pub fn catalog(&self) -> Option<(u32, ChallengesCatalogClient<Channel>)> {
        self.channel()
            .map(|(run, channel)| (run, ChallengesCatalogClient::new(channel)))
    }

    pub fn admin(&self) -> Option<CacheAdminClient<Channel>> {
        self.channel()
            .map(|(_, channel)| CacheAdminClient::new(channel))
    }

    /// Ends the process as a crash does; the slot is empty then.
    pub async fn kill(&self) {
        self.client.write().unwrap().1 = None;
        let replica = self.replica.lock().unwrap().take();
        if let Some(replica) = replica {
            replica.kill().await;
        }
    }

    pub fn pause(&self) {
        self.replica
            .lock()
            .unwrap()
            .as_ref()
            .inspect(|replica| replica.pause());
    }

    pub fn resume(&self) {
        self.replica
            .lock()
            .unwrap()
            .as_ref()
            .inspect(|replica| replica.resume());
    }
}
