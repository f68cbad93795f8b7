//! Builds the read-through cache and its connection to Redis.
use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

use super::{clock::SystemClock, error::Error};
#[cfg(feature = "negative-controls")]
use crate::cache::faults;
use crate::{
    cache::{
        CacheSettings, CacheStatusReporter, CachedCatalog, InvalidationState, ReplicaHeartbeat,
        SharedCache, SharedSettings,
    },
    config::{Config, DatabaseUrl, RedisConfig, RedisUrl, read_text},
    domain::{
        AnswerEncoder, CacheStatusSource, CatalogReader, ChallengeRepository, ChangeFeed, FleetKey,
        ReplicaId, Switches,
    },
    redis::{NodeSource, RedisNodes, RedisServers, acl_rules},
    repository::Datastore,
    transport::encode_status,
};

/// How long one replica may take to fill an entry before another one may.
const LEASE: Duration = Duration::from_secs(2);

/// The cache, and those of its parts that others need.
pub(super) struct Caches {
    pub(super) catalog: Arc<CachedCatalog>,
    /// The catalog as the services read it.
    pub(super) reader: Arc<dyn CatalogReader>,
    pub(super) feed: Arc<dyn ChangeFeed>,
    pub(super) invalidation: Arc<InvalidationState>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) reporter: Arc<dyn CacheStatusSource>,
}

impl Caches {
    /// Builds a cache of the bodies that `encoder` makes of rows.
    pub(super) fn build(
        config: &Config,
        datastore: &Arc<dyn Datastore>,
        redis: Option<&(RedisServers, FleetKey)>,
        encoder: Arc<dyn AnswerEncoder>,
        switches: &Arc<Switches>,
        tasks: &TaskTracker,
    ) -> Result<Self, Error> {
        let shared = redis
            .map(|(servers, key)| connect_shared(&config.redis, servers, key))
            .transpose()?;
        let invalidation = Arc::new(InvalidationState::new(config.cache.max_staleness));
        let repository = Arc::clone(datastore) as Arc<dyn ChallengeRepository>;
        #[cfg(feature = "negative-controls")]
        let repository = faults::repository(repository, &invalidation);
        let catalog = Arc::new(CachedCatalog::new(
            repository,
            encoder,
            Arc::new(SystemClock),
            shared.clone(),
            Arc::clone(&invalidation),
            cache_settings(config, switches),
            tasks.clone(),
        ));
        let reporter = Arc::new(CacheStatusReporter::new(
            Arc::clone(&catalog),
            Arc::clone(datastore) as _,
            Arc::new(SystemClock),
        ));
        let reader = Arc::clone(&catalog) as Arc<dyn CatalogReader>;
        let feed = Arc::clone(datastore) as Arc<dyn ChangeFeed>;
        #[cfg(feature = "negative-controls")]
        let (reader, feed) = (faults::reader(reader, &catalog), faults::feed(feed));
        Ok(Self {
            catalog,
            reader,
            feed,
            invalidation,
            shared,
            reporter,
        })
    }

    /// The task that keeps replica `own`, with the display name `name`, in the registry.
    pub(super) fn heartbeat(
        &self,
        own: ReplicaId,
        name: &str,
        datastore: &Arc<dyn Datastore>,
    ) -> ReplicaHeartbeat {
        ReplicaHeartbeat::new(
            own,
            name.to_owned(),
            Arc::clone(datastore) as _,
            Arc::clone(&self.invalidation),
            Arc::clone(&self.reporter),
            encode_status,
        )
    }
}

/// The Redis servers, unless the catalog is in SQLite and so has one process only.
///
/// # Errors
///
/// When the file of certificates cannot be read.
fn redis_servers(
    config: &RedisConfig,
    database: &DatabaseUrl,
) -> Result<Option<RedisServers>, Error> {
    let Some(url) = &config.url else {
        return Ok(None);
    };
    if matches!(database, DatabaseUrl::Sqlite(_)) {
        tracing::warn!("REDIS_URL is not used: a SQLite catalog belongs to one process");
        return Ok(None);
    }
    let tls_ca = config.tls_ca.as_ref().map(|path| {
        let text = read_text(path).map(String::into_bytes);
        text.map_err(|problem| format!("REDIS_TLS_CA: {problem}"))
    });
    let source = config.url_file.clone().map(|file| {
        let read = move || match RedisUrl::read(&file) {
            Ok(url) => Some(nodes(&url)),
            Err(problem) => {
                tracing::warn!(
                    component = "redis",
                    problem,
                    "REDIS_URL_FILE cannot be read; the login stays as it was"
                );
                None
            }
        };
        NodeSource(Arc::new(read))
    });
    Ok(Some(RedisServers::new(
        nodes(url),
        tls_ca.transpose()?,
        source,
    )))
}

fn nodes(url: &RedisUrl) -> RedisNodes {
    match url {
        RedisUrl::Single(url) => RedisNodes::Single(url.clone()),
        RedisUrl::Cluster(urls) => RedisNodes::Cluster(urls.clone()),
        RedisUrl::Sentinel {
            sentinels,
            service,
            server,
        } => RedisNodes::Sentinel {
            sentinels: sentinels.clone(),
            service: service.clone(),
            server: server.clone(),
        },
    }
}

/// The Redis servers, and the key that authenticates what this fleet stores there.
pub(super) async fn shared_redis(
    config: &Config,
    datastore: &Arc<dyn Datastore>,
) -> Result<Option<(RedisServers, FleetKey)>, Error> {
    let Some(servers) = redis_servers(&config.redis, &config.database.url)? else {
        return Ok(None);
    };
    let key = FleetKey::new(datastore.page_token_key().await?);
    Ok(Some((servers, key)))
}

/// The ACL rules that a Redis user of this address needs, as `ACL SETUSER` takes them.
#[must_use]
pub fn redis_rules(url: Option<&RedisUrl>) -> String {
    match url {
        None => acl_rules(false, false, false),
        Some(url @ RedisUrl::Single(_)) => acl_rules(false, false, url.names_database()),
        Some(RedisUrl::Cluster(_)) => acl_rules(true, false, false),
        Some(url @ RedisUrl::Sentinel { .. }) => acl_rules(false, true, url.names_database()),
    }
}

fn connect_shared(
    config: &RedisConfig,
    servers: &RedisServers,
    key: &FleetKey,
) -> Result<Arc<SharedCache>, Error> {
    let settings = SharedSettings {
        servers: servers.clone(),
        timeout: config.timeout,
        connections: config.pool,
        #[cfg(not(feature = "negative-controls"))]
        lease: LEASE,
        #[cfg(feature = "negative-controls")]
        lease: faults::lease(LEASE),
        key: key.clone(),
    };
    Ok(Arc::new(SharedCache::connect(&settings)?))
}

fn cache_settings(config: &Config, switches: &Arc<Switches>) -> CacheSettings {
    CacheSettings {
        ttl: config.cache.ttl,
        switches: Arc::clone(switches),
        near_bytes: config.cache.near_bytes,
        stale_retention: config.cache.stale_retention,
        fill_concurrency: config.cache.fill_concurrency,
        audit_interval: config.cache.audit_interval,
    }
}
