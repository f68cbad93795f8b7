//! Builds the read-through cache and its connection to Redis.
use std::{path::Path, sync::Arc, time::Duration};

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
    redis::{
        ClientIdentity, LoginSource, RedisLogin, RedisNodes, RedisServers, RedisTls, acl_rules,
    },
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
/// When a file for TLS cannot be used.
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
    let login = RedisLogin {
        nodes: nodes(url),
        tls: redis_tls(config)?,
    };
    let (config, at_start) = (config.clone(), login.nodes.clone());
    let read = move || match written_login(&config, &at_start) {
        Ok(login) => Some(login),
        Err(problem) => {
            tracing::warn!(
                component = "redis",
                problem,
                "a file with the log-in cannot be used; the log-in stays as it was"
            );
            None
        }
    };
    let source = LoginSource(Arc::new(read));
    Ok(Some(RedisServers::new(login, Some(source))))
}

/// What is in the files by now; `at_start` are the servers where their URL is in no file.
fn written_login(config: &RedisConfig, at_start: &RedisNodes) -> Result<RedisLogin, String> {
    let nodes = match &config.url_file {
        None => at_start.clone(),
        Some(file) => {
            let url =
                RedisUrl::read(file).map_err(|problem| format!("REDIS_URL_FILE: {problem}"))?;
            nodes(&url)
        }
    };
    let tls = redis_tls(config)?;
    Ok(RedisLogin { nodes, tls })
}

fn redis_tls(config: &RedisConfig) -> Result<RedisTls, String> {
    let read =
        |name: &str, path: &Path| read_text(path).map_err(|problem| format!("{name}: {problem}"));
    let authorities = config.tls_ca.as_deref();
    let authorities = authorities.map(|path| read("REDIS_TLS_CA", path));
    let identity = config.tls_cert.as_deref().zip(config.tls_key.as_deref());
    let identity = identity.map(|(certificates, key)| {
        let certificates = read("REDIS_TLS_CERT", certificates)?;
        let key = read("REDIS_TLS_KEY", key)?;
        let identity = ClientIdentity::new(certificates, key.into());
        identity.map_err(|problem| format!("REDIS_TLS_CERT and REDIS_TLS_KEY: {problem}"))
    });
    Ok(RedisTls {
        authorities: authorities.transpose()?,
        identity: identity.transpose()?,
    })
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
        keeps_json: config.http.addr.is_some(),
        audit_interval: config.cache.audit_interval,
    }
}
