//! Tip services: one in the test's own runtime, or several that stand for replicas.
use std::{sync::Arc, time::Duration};

use bb8_redis::redis::IntoConnectionInfo;
use challenges_catalog::{
    domain::{DatabaseId, Error, Resumed, TipProviders, TipRequest, TipStreams, TipWriter},
    redis::{
        Listener, MacKey, RedisClient, RedisClientSettings, RedisClientState, RedisNodes,
        RedisServers,
    },
    tips::{
        CallerLimits, Price, ProviderQuota, ProviderSpec, TipParts, TipRedis, TipService,
        TipSettings, TipStats,
    },
};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    fixtures::{Book, Store, TestClock},
    reader_probe::{Reading, read_on},
    writer::Writer,
};
use crate::support::wait::eventually;

/// Which database the replicas read.
const DATABASE: DatabaseId = DatabaseId(7);

/// What a tip of [`super::writer::USAGE`] costs, in millionths of a dollar.
pub const COST: u64 = 300;
const PRICE: Price = Price {
    input: 1_000_000,
    output: 4_000_000,
};

/// Settings that limit nobody.
pub fn settings() -> TipSettings {
    TipSettings {
        caller: CallerLimits {
            per_minute: 1_000_000,
            burst: 1_000_000,
            at_once: 100_000,
        },
        ..TipSettings::default()
    }
}

/// A tip service without Redis, in the runtime of the test.
pub struct Alone {
    pub service: TipService,
    pub store: Arc<Store>,
    pub tasks: TaskTracker,
}

impl Alone {
    pub fn new(writers: &[&Arc<Writer>]) -> Self {
        Self::with(settings(), writers.iter().copied().map(provider).collect())
    }

    pub fn with(settings: TipSettings, providers: Vec<ProviderSpec>) -> Self {
        let (store, tasks) = (Arc::<Store>::default(), TaskTracker::new());
        let parts = TipParts {
            book: Book::new(),
            providers,
            store: Arc::clone(&store) as _,
            clock: Arc::new(TestClock::new()),
            redis: None,
            tasks: tasks.clone(),
            stop: CancellationToken::new(),
        };
        let service = TipService::new(settings, parts);
        Self {
            service,
            store,
            tasks,
        }
    }

    pub async fn read(&self, request: TipRequest) -> Reading {
        self.try_read(request).await.unwrap()
    }

    pub async fn try_read(&self, request: TipRequest) -> Result<Reading, Error> {
        read_on(String::new(), self.service.open(request)).await
    }

    /// Waits for all background work but the one task that is there for what the store does not take.
    pub async fn settle(&self) {
        eventually("its tasks end", Duration::from_mins(1), async || {
            self.tasks.len() == 1
        })
        .await;
    }
}

/// A provider that nothing limits.
pub fn provider(writer: &Arc<Writer>) -> ProviderSpec {
    ProviderSpec {
        writer: Arc::clone(writer) as Arc<dyn TipWriter>,
        price: PRICE,
        quota: ProviderQuota::default(),
    }
}

/// A tip service with a runtime and connections of its own, as a replica has them.
pub struct Replica {
    runtime: Option<Runtime>,
    service: Arc<TipService>,
    stop: CancellationToken,
}

impl Replica {
    pub fn start(nodes: &RedisServers, writer: &Arc<Writer>, store: &Arc<Store>) -> Self {
        let providers = vec![provider(writer)];
        let timeout = Duration::from_millis(500);
        Self::with(settings(), nodes, providers, store, timeout, DATABASE)
    }

    /// One of another fleet, which reads another database.
    pub fn of_another_fleet(
        nodes: &RedisServers,
        writer: &Arc<Writer>,
        store: &Arc<Store>,
    ) -> Self {
        let (providers, timeout) = (vec![provider(writer)], Duration::from_millis(500));
        let other = DatabaseId(DATABASE.0 + 1);
        Self::with(settings(), nodes, providers, store, timeout, other)
    }

    /// One that waits for Redis as long as it takes: for what holds while Redis is there.
    pub fn patient(
        settings: TipSettings,
        nodes: &RedisServers,
        providers: Vec<ProviderSpec>,
        store: &Arc<Store>,
    ) -> Self {
        let timeout = Duration::from_secs(20);
        Self::with(settings, nodes, providers, store, timeout, DATABASE)
    }

    /// One that soon gives up on Redis.
    pub fn budgeted(
        settings: TipSettings,
        nodes: &RedisServers,
        providers: Vec<ProviderSpec>,
        store: &Arc<Store>,
    ) -> Self {
        let timeout = Duration::from_millis(250);
        Self::with(settings, nodes, providers, store, timeout, DATABASE)
    }

    fn with(
        settings: TipSettings,
        nodes: &RedisServers,
        providers: Vec<ProviderSpec>,
        store: &Arc<Store>,
        timeout: Duration,
        database: DatabaseId,
    ) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // One thread, so that one task that blocks it freezes the whole replica.
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let client = RedisClient::connect(&RedisClientSettings {
            name: "tips",
            servers: nodes.clone(),
            timeout,
            connections: 2,
        });
        let stop = CancellationToken::new();
        let inside = runtime.enter();
        let parts = TipParts {
            book: Book::new(),
            providers,
            store: Arc::clone(store) as _,
            clock: Arc::new(TestClock::new()),
            redis: Some(TipRedis {
                client: Arc::new(client.unwrap()),
                listener: Arc::new(Listener::new(nodes.clone(), timeout)),
                database: Arc::new(move || database),
                mac: MacKey::new(&[7; 32]),
            }),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        };
        let service = Arc::new(TipService::new(settings, parts));
        drop(inside);
        Self {
            runtime: Some(runtime),
            service,
            stop,
        }
    }

    /// Reads a tip, on this replica's runtime.
    pub fn read(&self, request: TipRequest) -> JoinHandle<Reading> {
        self.read_on(String::new(), request)
    }

    /// As [`Replica::read`], by a reader who has text already.
    pub fn read_on(&self, held: String, request: TipRequest) -> JoinHandle<Reading> {
        let service = Arc::clone(&self.service);
        self.runtime()
            .spawn(async move { read_on(held, service.open(request)).await.unwrap() })
    }

    /// How its way to Redis does.
    pub fn redis_state(&self) -> RedisClientState {
        self.service.redis_state().unwrap()
    }

    /// What an operator asks this replica to do for the fleet.
    pub async fn resume(&self) -> Resumed {
        let service = Arc::clone(&self.service);
        let resumed = self.runtime().spawn(async move { service.resume().await });
        resumed.await.unwrap()
    }

    /// What it does every second.
    pub async fn poll_resume(&self) {
        let service = Arc::clone(&self.service);
        let looked = self
            .runtime()
            .spawn(async move { service.poll_resume().await });
        looked.await.unwrap();
    }

    pub fn stats(&self) -> &TipStats {
        self.service.stats()
    }

    /// The end of a process: its tasks stop where they are, its connections break.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// What SIGTERM leads to, once its own calls are over.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Nothing here moves for so long, as after SIGSTOP.
    pub fn freeze(&self, pause: Duration) {
        self.runtime()
            .spawn(async move { std::thread::sleep(pause) });
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the replica lives")
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One server, as the product's settings name it.
pub fn server(url: &str) -> RedisServers {
    assert!(url.into_connection_info().is_ok());
    RedisNodes::Single(url.to_owned().into()).into()
}

/// A cluster, by the ports of its nodes.
pub fn cluster(ports: impl IntoIterator<Item = u16>) -> RedisServers {
    let url = |port| format!("redis://127.0.0.1:{port}").into();
    RedisNodes::Cluster(ports.into_iter().map(url).collect()).into()
}
