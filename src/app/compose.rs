use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{clock::SystemClock, view::Error};
use crate::{
    cache::{
        CacheSettings, CachedCatalog, FeedTask, Knowledge, RedisNodes, SharedCache, SharedSettings,
    },
    config::{Config, DatabaseConfig, DatabaseUrl, RedisConfig, RedisUrl},
    domain::{ListQuery, PageSize},
    repository::{self, Datastore, Location, MigrateSettings, MigrationError, PoolSettings},
    service::{CatalogService, seed},
    transport::{CatalogTransport, Edge, EdgeSettings, Health, PageTokens, ProtoEncoder},
};

/// A database that does not answer at the start may be starting too; after so long we give up.
const STARTUP_PATIENCE: Duration = Duration::from_secs(10);
const STARTUP_PAUSE: Duration = Duration::from_millis(250);
/// How long one replica may take to fill an entry before another tries.
const LEASE: Duration = Duration::from_secs(2);

/// Everything that runs, put together.
pub(super) struct App {
    pub(super) datastore: Arc<dyn Datastore>,
    pub(super) catalog: Arc<CachedCatalog>,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) health: Health,
    pub(super) edge: Edge,
    /// All background work; shutdown waits for it.
    pub(super) tasks: TaskTracker,
    /// Ends the background work.
    pub(super) stop: CancellationToken,
}

impl App {
    /// Storage, cache, services, gRPC: in this order, and the feed under way.
    pub(super) async fn build(config: &Config) -> Result<Self, Error> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let datastore = connect_database(&config.database).await?;
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
        let interval = config.cache.feed_poll_interval;
        FeedTask::new(
            Arc::clone(&datastore) as _,
            Arc::clone(&knowledge),
            interval,
        )
        .start(&tasks, &stop);
        let listener = Arc::clone(&datastore);
        let listen = async move { listener.listen().await };
        tasks.spawn(stop.clone().run_until_cancelled_owned(listen));

        let health = Health::starting().await;
        let service = CatalogService::new(Arc::clone(&catalog) as _);
        let transport = CatalogTransport::new(service, page_tokens);
        let edge = Edge::new(transport, health.routes()?, edge_settings(config));
        Ok(Self {
            datastore,
            catalog,
            knowledge,
            shared,
            health,
            edge,
            tasks,
            stop,
        })
    }
}

/// Opens the database, with the schema that this build needs; the embedded one
/// is made and seeded where it is missing.
async fn connect_database(config: &DatabaseConfig) -> Result<Arc<dyn Datastore>, Error> {
    let location = location(&config.url);
    let gives_up = Instant::now() + STARTUP_PATIENCE;
    let datastore = repository::open(location, &pool_settings(config))?;
    loop {
        let ready = async {
            if config.auto_migrate {
                repository::migrate_up(location, &MigrateSettings::default()).await?;
            }
            datastore.check().await
        };
        match ready.await {
            Ok(()) => break,
            Err(MigrationError::Unreachable(cause)) if Instant::now() < gives_up => {
                tracing::warn!(cause, "waiting for the database");
                sleep(STARTUP_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let DatabaseUrl::Sqlite(file) = &config.url {
        let first = ListQuery::first(None, PageSize::DEFAULT);
        if datastore.list(&first).await?.value.total_count == 0 {
            let added = seed::load(datastore.as_ref(), seed::EMBEDDED).await?.added;
            tracing::info!(file = %file.display(), added, "seeded a new catalog");
        }
    }
    datastore.fill().await?;
    Ok(datastore)
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

/// Where the database is, with its password: for opening, not for showing.
pub(super) fn location(url: &DatabaseUrl) -> Location<'_> {
    match url {
        DatabaseUrl::Sqlite(file) => Location::Sqlite(file),
        DatabaseUrl::Postgres(url) => Location::Postgres(url.expose_secret()),
    }
}

pub(super) fn pool_settings(config: &DatabaseConfig) -> PoolSettings {
    PoolSettings {
        min_connections: config.pool_min,
        max_connections: config.pool_max,
        acquire_timeout: config.acquire_timeout,
        statement_timeout: config.statement_timeout,
        ..PoolSettings::default()
    }
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
