//! Builds the tip service of this replica.
use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    clock::SystemClock,
    error::Error,
    provider_clients::{ConfiguredClient, ProviderClients},
};
use crate::{
    cache::InvalidationState,
    config::{AbandonedTips, Config, TipRefresh, TipsConfig},
    domain::{FleetKey, PromptBook, Switches},
    llm::BundledPrompts,
    redis::{Listener, MacKey, RedisClient, RedisClientSettings, RedisServers},
    repository::Datastore,
    service::{CatalogService, FleetTasks, GenerateTipsService, TipsService},
    tips::{
        Abandoned, CallerLimits, Price, ProviderQuota, ProviderSpec, TipParts, TipRedis,
        TipService, TipSettings,
    },
    transport::{RefreshBy, TipsAdminTransport, TipsTransport},
};

/// Those who write tips, those who keep them, and those who ask for them.
pub(super) struct Tips {
    pub(super) tip_service: Arc<TipService>,
    pub(super) service: TipsService,
    /// For operators, who have many written beforehand.
    generating: GenerateTipsService,
    pub(super) provider_clients: ProviderClients,
}

impl Tips {
    /// What serves the streams of callers.
    pub(super) fn transport(&self, config: &TipsConfig) -> TipsTransport {
        let refresh = match config.refresh {
            TipRefresh::All => RefreshBy::All,
            TipRefresh::Local => RefreshBy::Local,
            TipRefresh::Nobody => RefreshBy::Nobody,
        };
        TipsTransport::new(self.service.clone(), config.heartbeat, refresh)
    }

    /// What serves operators.
    pub(super) fn admin_transport(&self) -> TipsAdminTransport {
        TipsAdminTransport::new(self.generating.clone(), Arc::clone(&self.tip_service) as _)
    }

    /// A tip service that keeps tips in `datastore`, reaches the other replicas through `redis`, and
    /// works until `stop`; for tips about the challenges of `catalog`.
    pub(super) fn build(
        config: &Config,
        datastore: &Arc<dyn Datastore>,
        catalog: CatalogService,
        redis: Option<TipRedis>,
        switches: &Arc<Switches>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let book = Arc::new(BundledPrompts::load()?);
        let provider_clients = ProviderClients::of(config)?;
        let parts = TipParts {
            book: Arc::clone(&book) as _,
            providers: provider_clients.list.iter().map(provider).collect(),
            store: Arc::clone(datastore) as _,
            clock: Arc::new(SystemClock),
            redis,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let tip_service = Arc::new(TipService::new(settings(config, switches), parts));
        let (personas, locales) = (book.personas(), &config.tips.locales);
        let service = TipsService::new(Arc::clone(&tip_service) as _, catalog, personas, locales);
        let generating = GenerateTipsService::new(
            Arc::clone(&tip_service) as _,
            service.clone(),
            Arc::clone(datastore) as _,
            FleetTasks::new(Arc::clone(datastore) as _, tasks.clone()),
        );
        Ok(Self {
            tip_service,
            service,
            generating,
            provider_clients,
        })
    }
}

/// Shortest time limit of a command of tips to Redis. A replica that gives up early requests the tip once more from a
/// provider, so a short outage of Redis would cost money.
const REDIS_TIMEOUT_MIN: Duration = Duration::from_millis(250);

/// The way of tips to Redis, for the database that `invalidation` is about.
pub(super) fn tip_redis(
    config: &Config,
    redis: Option<&(RedisServers, FleetKey)>,
    invalidation: &Arc<InvalidationState>,
) -> Result<Option<TipRedis>, Error> {
    let Some((servers, key)) = redis else {
        return Ok(None);
    };
    let client = RedisClient::connect(&RedisClientSettings {
        name: "tips",
        servers: servers.clone(),
        timeout: config.redis.timeout.max(REDIS_TIMEOUT_MIN),
        connections: config.redis.pool,
    })?;
    let listener = Listener::new(servers.clone(), config.redis.timeout);
    let invalidation = Arc::clone(invalidation);
    Ok(Some(TipRedis {
        client: Arc::new(client),
        listener: Arc::new(listener),
        database: Arc::new(move || invalidation.version().database),
        mac: MacKey::new(key.bytes()),
    }))
}

fn provider(one: &ConfiguredClient) -> ProviderSpec {
    let limits = &one.at_start.limits;
    ProviderSpec {
        writer: Arc::clone(&one.client) as _,
        price: Price {
            input: limits.input_price,
            output: limits.output_price,
        },
        quota: ProviderQuota {
            requests_per_minute: limits.requests_per_minute,
            tokens_per_minute: limits.tokens_per_minute,
        },
    }
}

/// What one caller may ask for; half of a minute's tips may come together.
pub(super) fn caller_limits(per_minute: u32, at_once: usize) -> CallerLimits {
    CallerLimits {
        per_minute,
        burst: per_minute.div_ceil(2),
        at_once,
    }
}

fn settings(config: &Config, switches: &Arc<Switches>) -> TipSettings {
    let tips = &config.tips;
    TipSettings {
        ttl: tips.ttl,
        max_bytes: tips.max_bytes,
        time_limit: tips.time_limit,
        abandoned: match tips.abandoned {
            AbandonedTips::Finish => Abandoned::Finish,
            AbandonedTips::Abort => Abandoned::Abort,
        },
        caller: caller_limits(tips.streams_per_minute, tips.streams_at_once),
        daily_budget_micro_usd: tips.daily_budget_micro_usd,
        requests_at_once: tips.orders_at_once,
        replicas: tips.replicas,
        switches: Arc::clone(switches),
        ..TipSettings::default()
    }
}
