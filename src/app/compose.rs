use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    clock::SystemClock,
    database::{self, Probe},
    view::{Error, at},
};
use crate::{
    cache::{
        Audit, CacheSettings, CachedCatalog, FeedTask, Inspector, Knowledge, Membership,
        SharedCache, SharedSettings,
    },
    config::{Config, DatabaseUrl, RedisConfig, RedisUrl},
    domain::{CacheInspector, ReplicaId, ReplicaRegistry},
    redis::RedisNodes,
    repository::Datastore,
    service::{CacheAdminService, CatalogService, WarmService},
    transport::{
        CacheAdminTransport, CatalogTransport, Edge, EdgeSettings, Health, PageTokens,
        ProtoEncoder, encode_status,
    },
};

/// How long one replica may take to fill an entry before another tries.
const LEASE: Duration = Duration::from_secs(2);

/// Everything that runs, put together.
pub(super) struct App {
    pub(super) datastore: Arc<dyn Datastore>,
    pub(super) catalog: Arc<CachedCatalog>,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) membership: Arc<Membership>,
    pub(super) health: Health,
    pub(super) edge: Edge,
    /// All background work; shutdown waits for it.
    pub(super) tasks: TaskTracker,
    /// Ends the background work.
    pub(super) stop: CancellationToken,
}

impl App {
    /// Storage, caches, what keeps them true, services, gRPC: in this order.
    pub(super) async fn build(config: &Config) -> Result<Self, Error> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let datastore = database::connect(&config.database)
            .await
            .map_err(at(&config.database.url))?;
        let page_tokens = PageTokens::new(&datastore.page_token_key().await?);
        let shared = connect_shared(&config.redis, &config.database.url)?;
        let knowledge = Arc::new(Knowledge::new(config.cache.max_staleness));
        let catalog = Arc::new(CachedCatalog::new(
            Arc::clone(&datastore) as _,
            Arc::new(ProtoEncoder::new(page_tokens.clone())),
            Arc::new(SystemClock),
            shared.clone(),
            Arc::clone(&knowledge),
            cache_settings(config),
            tasks.clone(),
        ));
        let inspector: Arc<dyn CacheInspector> = Arc::new(Inspector::new(
            Arc::clone(&catalog),
            Arc::clone(&knowledge),
            shared.clone(),
            Arc::new(Probe(Arc::clone(&datastore))),
            Arc::new(SystemClock),
        ));
        let own = ReplicaId(Uuid::new_v4());
        let name = replica_name(own);
        let membership = Arc::new(Membership::new(
            own,
            name.clone(),
            Arc::clone(&datastore) as _,
            Arc::clone(&knowledge),
            Arc::clone(&inspector),
            encode_status,
        ));

        let registry: Arc<dyn ReplicaRegistry> = Arc::clone(&datastore) as _;
        let warmer = WarmService::new(Arc::clone(&catalog) as _, registry.clone(), tasks.clone());
        let admin = CacheAdminService::new(inspector, Arc::clone(&datastore) as _, registry, own);
        let health = Health::starting().await;
        let routes = health.routes(CacheAdminTransport::new(admin, warmer, name))?;
        let service = CatalogService::new(Arc::clone(&catalog) as _);
        let transport = CatalogTransport::new(service, page_tokens);
        let edge = Edge::new(transport, routes, edge_settings(config));
        let app = Self {
            datastore,
            catalog,
            knowledge,
            shared,
            membership,
            health,
            edge,
            tasks,
            stop,
        };
        app.start_upkeep(own, config).await;
        Ok(app)
    }

    /// What keeps the caches true: the feed, the registry, the audit.
    async fn start_upkeep(&self, own: ReplicaId, config: &Config) {
        // Before the first poll, which confirms nothing to a replica that nobody would wait for.
        self.membership.register().await;
        let (feed, knowledge) = (Arc::clone(&self.datastore), Arc::clone(&self.knowledge));
        FeedTask::new(feed as _, knowledge, own, config.cache.feed_poll_interval)
            .start(&self.tasks, &self.stop);
        let listener = Arc::clone(&self.datastore);
        self.run_until_stop(async move { listener.listen().await });
        let member = Arc::clone(&self.membership);
        self.run_until_stop(async move { member.run().await });
        self.run_until_stop(CachedCatalog::keep_count(Arc::clone(self.catalog.stats())));
        let (catalog, datastore) = (Arc::clone(&self.catalog), Arc::clone(&self.datastore));
        let interval = config.cache.audit_interval;
        let audit = Audit::new(
            catalog,
            Arc::clone(&self.knowledge),
            datastore as _,
            interval,
        );
        self.run_until_stop(audit.run());
    }

    /// Runs `work` in the background until the app stops.
    pub(super) fn run_until_stop(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(work));
    }
}

/// For people: host, process and the first digits of the id.
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

fn connect_shared(
    config: &RedisConfig,
    database: &DatabaseUrl,
) -> Result<Option<Arc<SharedCache>>, Error> {
    let Some(url) = &config.url else {
        return Ok(None);
    };
    if matches!(database, DatabaseUrl::Sqlite(_)) {
        tracing::warn!("REDIS_URL is not used: a SQLite catalog belongs to one process");
        return Ok(None);
    }
    let settings = SharedSettings {
        nodes: match url {
            RedisUrl::Single(url) => RedisNodes::Single(url.clone()),
            RedisUrl::Cluster(urls) => RedisNodes::Cluster(urls.clone()),
        },
        timeout: config.timeout,
        connections: config.pool,
        lease: LEASE,
    };
    Ok(Some(Arc::new(SharedCache::connect(&settings)?)))
}

fn cache_settings(config: &Config) -> CacheSettings {
    CacheSettings {
        ttl: config.cache.ttl,
        near_bytes: config.cache.near_bytes,
        stale_retention: config.cache.stale_retention,
        fill_concurrency: config.cache.fill_concurrency,
    }
}

fn edge_settings(config: &Config) -> EdgeSettings {
    EdgeSettings {
        request_timeout: config.server.request_timeout,
        max_message_bytes: config.server.max_message_bytes,
        max_calls: config.server.max_calls,
    }
}
