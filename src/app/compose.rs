//! Builds the server from its settings: storage, caches, the tasks that keep them correct, services, gRPC.
use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    access_files::AccessFiles,
    caches::{Caches, shared_redis},
    database,
    dependency_probe::DependencyProbe,
    edges::Edges,
    error::{Error, at},
    http::http_service,
    provider_clients::ProviderClients,
    tips::{Tips, tip_redis},
};
use crate::{
    cache::{Auditor, CachedCatalog, FeedTask, InvalidationState, ReplicaHeartbeat, SharedCache},
    config::{self, Config},
    domain::{ActiveControls, ChangeFeed, ReplicaId, ReplicaRegistry},
    flags::{FlagSnapshot, Refresher},
    http::HttpService,
    repository::Datastore,
    server::Connections,
    service::{
        CacheAdminService, CatalogService, ControlsService, EditService, FleetTasks,
        HistoryMetrics, HistoryPruning, WarmService,
    },
    tips::TipService,
    transport::{
        CacheAdminTransport, CallAccess, CatalogTransport, ChallengesAdminTransport,
        ControlsTransport, Edge, EdgeSettings, FeatureGate, GeneratedServices, HealthState,
        PageTokens, ProtoEncoder, ReflectionPolicy,
    },
};

/// All parts of a running server.
pub(super) struct App {
    pub(super) datastore: Arc<dyn Datastore>,
    pub(super) catalog: Arc<CachedCatalog>,
    feed: Arc<dyn ChangeFeed>,
    pub(super) invalidation: Arc<InvalidationState>,
    pub(super) flags: Arc<FlagSnapshot>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) edges: Edges,
    pub(super) heartbeat: Arc<ReplicaHeartbeat>,
    pub(super) tip_service: Arc<TipService>,
    pub(super) provider_clients: Arc<ProviderClients>,
    pub(super) probe: Arc<DependencyProbe>,
    pub(super) history: Arc<HistoryMetrics>,
    pub(super) health: HealthState,
    pub(super) access: Arc<AccessFiles>,
    pub(super) connections: Arc<Connections>,
    pub(super) edge: Edge,
    /// HTTP and JSON, if they are served.
    pub(super) http: Option<HttpService>,
    /// All background work; shutdown waits for it.
    pub(super) tasks: TaskTracker,
    /// Ends streams when this replica leaves; their callers continue on another one.
    pub(super) leaving: CancellationToken,
    /// Ends the background work.
    pub(super) stop: CancellationToken,
}

impl App {
    /// Builds all parts and starts the background work, which ends with [`Self::stop`].
    pub(super) async fn build(config: &Config) -> Result<Arc<Self>, Error> {
        let tasks = TaskTracker::new();
        let (stop, leaving) = (CancellationToken::new(), CancellationToken::new());
        let connections = Arc::new(Connections::at_most(config.server.max_connections));
        let access = AccessFiles::load(&config.access, &connections, &tasks, &stop)?;
        let edges = Edges::build(config)?;
        let datastore = connected(config).await?;
        let page_tokens = PageTokens::new(&datastore.page_token_key().await?);
        let redis = shared_redis(config, &datastore).await?;
        let encoder = Arc::new(ProtoEncoder::new(page_tokens.clone()));
        let flags = Arc::new(FlagSnapshot::new(config.controls.clone()));
        let switches = flags.switches();
        let bodies = Arc::clone(&encoder) as _;
        let caches = Caches::build(config, &datastore, redis.as_ref(), bodies, switches, &tasks)?;
        let (own, health) = (ReplicaId(Uuid::new_v4()), HealthState::starting());
        let name = replica_name(own);
        let heartbeat = Arc::new(caches.heartbeat(own, &name, &datastore));
        let service = CatalogService::new(Arc::clone(&caches.reader));
        let tokens = page_tokens.clone();
        let transport = CatalogTransport::new(service.clone(), tokens, config.server.max_calls);
        let redis = tip_redis(config, redis.as_ref(), &caches.invalidation)?;
        let tips = Tips::build(config, &datastore, service, redis, switches, &tasks, &stop)?;
        let edits = edits(&datastore, encoder, page_tokens);
        let cache_admin = cache_admin(&caches, &datastore, &edges, (own, name), &tasks);
        let controls = controls(&flags, &datastore);
        let tips_admin = tips.admin_transport();
        let generated = GeneratedServices::new(&health, edits, cache_admin, tips_admin, controls)?;
        let gate = FeatureGate::new(Arc::clone(switches), flags.changes());
        let guards = (gate, call_access(&access, config.access.reflection));
        let (streams, settings) = (tips.transport(&config.tips), edge_settings(config));
        let shutdown = leaving.clone();
        let edge = Edge::new(transport, streams, generated, guards, settings, shutdown);
        let http = http_service(config, &edge)?;
        let (shared, replicas) = (caches.shared.clone(), config.tips.replicas);
        let probe = DependencyProbe::new(Arc::clone(&datastore), shared, replicas);
        let app = Arc::new(Self {
            probe: Arc::new(probe),
            history: Arc::new(HistoryMetrics::new(config.database.history_retention)),
            datastore,
            catalog: caches.catalog,
            feed: caches.feed,
            invalidation: caches.invalidation,
            flags,
            shared: caches.shared,
            edges,
            heartbeat,
            tip_service: tips.tip_service,
            provider_clients: Arc::new(tips.provider_clients),
            health,
            access: Arc::new(access),
            connections,
            edge,
            http,
            tasks,
            leaving,
            stop,
        });
        app.start_background_work(config).await;
        Ok(app)
    }

    /// Starts the tasks that keep the caches correct: change feed, registry, audit.
    async fn start_background_work(&self, config: &Config) {
        // The first poll registers with this status. It confirms nothing: until then no invalidation waits for
        // this replica.
        self.heartbeat.gather().await;
        self.run_until_stop(Arc::clone(&self.access).keep_reading());
        FeedTask::new(
            Arc::clone(&self.feed),
            Arc::clone(&self.invalidation),
            Arc::clone(&self.heartbeat),
            config.cache.feed_poll_interval,
            Arc::clone(self.catalog.stats()),
        )
        .watched_by(self.edges.commit_watcher())
        .start(&self.tasks, &self.stop);
        let refresher = Refresher::new(
            Arc::clone(&self.flags),
            Arc::clone(&self.datastore) as _,
            self.invalidation.flag_changes(),
        );
        self.run_until_stop(refresher.run());
        // No call may be served before the flags are read.
        self.flags.refresh().await;
        self.start_edges();
        let listener = Arc::clone(&self.datastore);
        self.run_until_stop(async move { listener.listen().await });
        let heartbeat = Arc::clone(&self.heartbeat);
        self.run_until_stop(async move { heartbeat.run().await });
        self.run_until_stop(CachedCatalog::sample_rates(Arc::clone(
            self.catalog.stats(),
        )));
        let (catalog, datastore) = (Arc::clone(&self.catalog), Arc::clone(&self.datastore));
        let audit = Auditor::new(catalog, datastore as _);
        self.run_until_stop(audit.run());
        if let Some(retention) = config.database.history_retention {
            let fleet = FleetTasks::new(Arc::clone(&self.datastore) as _, self.tasks.clone());
            let pruning = HistoryPruning::new(Arc::clone(&self.datastore) as _, fleet);
            self.run_until_stop(pruning.keep(retention, Arc::clone(&self.history)));
        }
    }

    /// Starts the purges of edge caches. What was asked for before waits for them.
    fn start_edges(&self) {
        let Some(caches) = &self.edges.caches else {
            return;
        };
        caches.start(&self.tasks, &self.stop);
        let (switches, changes) = (Arc::clone(self.flags.switches()), self.flags.changes());
        self.run_until_stop(Arc::clone(caches).follow_switch(switches, changes));
    }

    /// Runs `work` in the background until the app stops.
    pub(super) fn run_until_stop(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(work));
    }
}

async fn connected(config: &Config) -> Result<Arc<dyn Datastore>, Error> {
    let datastore = database::connect(&config.database, config.cache.max_staleness).await;
    datastore.map_err(at(&config.database.url))
}

/// Edits use the encoder of reads, so that both give the same etags.
fn edits(
    datastore: &Arc<dyn Datastore>,
    encoder: Arc<ProtoEncoder>,
    page_tokens: PageTokens,
) -> ChallengesAdminTransport {
    let service = EditService::new(
        Arc::clone(datastore) as _,
        Arc::clone(datastore) as _,
        encoder,
    );
    ChallengesAdminTransport::new(service, page_tokens)
}

fn call_access(access: &AccessFiles, reflection: config::ReflectionAccess) -> CallAccess {
    let control = access.control.clone();
    let reflection = match reflection {
        config::ReflectionAccess::On => ReflectionPolicy::Everybody,
        config::ReflectionAccess::Authenticated => ReflectionPolicy::Known,
        config::ReflectionAccess::Off => ReflectionPolicy::Nobody,
    };
    CallAccess::new(control.map(|control| control as _), reflection)
}

fn controls(flags: &Arc<FlagSnapshot>, datastore: &Arc<dyn Datastore>) -> ControlsTransport {
    let service = ControlsService::new(Arc::clone(flags) as _, Arc::clone(datastore) as _);
    ControlsTransport::new(service)
}

/// The admin service for the caches of this replica and of the fleet.
fn cache_admin(
    caches: &Caches,
    datastore: &Arc<dyn Datastore>,
    edges: &Edges,
    (own, name): (ReplicaId, String),
    tasks: &TaskTracker,
) -> CacheAdminTransport {
    let registry: Arc<dyn ReplicaRegistry> = Arc::clone(datastore) as _;
    let catalog = Arc::clone(&caches.catalog);
    let fleet = FleetTasks::new(registry.clone(), tasks.clone());
    let warmer = WarmService::new(catalog as _, fleet);
    let reporter = Arc::clone(&caches.reporter);
    let service = CacheAdminService::new(reporter, Arc::clone(datastore) as _, registry, own);
    let service = service.with_edges(edges.purger());
    CacheAdminTransport::new(service, warmer, name)
}

/// The display name of a replica: host, process id and the first digits of its id.
fn replica_name(id: ReplicaId) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(64).collect();
    let short: String = id.to_string().chars().take(8).collect();
    let process = std::process::id();
    if host.is_empty() {
        format!("{process}-{short}")
    } else {
        format!("{host}-{process}-{short}")
    }
}

fn edge_settings(config: &Config) -> EdgeSettings {
    EdgeSettings {
        request_timeout: config.server.request_timeout,
        stream_timeout: config.server.stream_timeout,
        max_message_bytes: config.server.max_message_bytes,
        max_streams: config.server.max_streams,
    }
}
