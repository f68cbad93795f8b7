//! Three replicas on a PostgreSQL, a Redis behind a proxy, and the provider that they call.
use std::{
    sync::{Mutex, RwLock},
    time::Duration,
};

use challenges_catalog::pb::catalog::v1::{
    ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient,
};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::{
    fault::Fault,
    provider::{INPUT_PRICE, MOST, MOST_TOKENS, Provider},
    round::BUDGET,
};
use crate::support::{
    fleet,
    postgres::{self, Database},
    proxy::Proxy,
    redis::{self, Redis},
    replica::Replica,
};

/// How many replicas serve.
pub const REPLICAS: usize = 3;

/// Requests that a replica has money for and has not sent yet.
const UNSENT: u64 = 8;

pub type Client = ChallengesCatalogClient<Channel>;

pub struct Fleet {
    pub provider: Provider,
    pub database: Database,
    pub redis: Redis,
    pub proxy: tokio::sync::Mutex<Proxy>,
    pub challenges: Vec<String>,
    fault: Option<Fault>,
    slots: Vec<Slot>,
    proxy_port: u16,
    /// How the replicas so far ended, by number.
    ends: Mutex<Vec<Option<End>>>,
    /// None while Redis is broken.
    redis_well_since: Mutex<Option<Instant>>,
    /// What is broken now: Redis, and each of the replicas.
    broken: Mutex<[Option<&'static str>; 1 + REPLICAS]>,
}

/// The place of one replica; its number is that of the process in it.
#[derive(Default)]
struct Slot {
    client: RwLock<Option<Client>>,
    replica: tokio::sync::Mutex<Option<(usize, Replica)>>,
}

/// How a replica ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub at: Instant,
    /// It could not say any more where it stands: it was killed, or Redis was not well.
    pub is_silent: bool,
    pub is_killed: bool,
    /// Requests that it had under way.
    pub open: usize,
}

impl End {
    /// The most that it can have left of what it was granted, for nobody to spend any more: what its requests might have cost, and
    /// its part of what is granted for requests to come.
    fn held(self) -> u64 {
        if !self.is_silent {
            return 0;
        }
        (self.open as u64 + UNSENT) * MOST + BUDGET / (16 * REPLICAS as u64)
    }
}

impl Fleet {
    pub async fn start(fault: Option<Fault>) -> Self {
        let database = postgres::fresh().await;
        fleet::migrate(&database).await;
        if let Some(sql) = fault.and_then(Fault::sql) {
            database.execute(sql).await;
        }
        let redis = redis::start();
        let proxy = Proxy::to(redis.port()).await;
        let mut fleet = Self {
            provider: Provider::start().await,
            database,
            redis,
            proxy_port: proxy.port(),
            proxy: tokio::sync::Mutex::new(proxy),
            challenges: Vec::new(),
            fault,
            slots: (0..REPLICAS).map(|_| Slot::default()).collect(),
            ends: Mutex::default(),
            redis_well_since: Mutex::new(Some(Instant::now())),
            broken: Mutex::default(),
        };
        let starts = (0..REPLICAS).map(|slot| fleet.fill(slot));
        futures_util::future::join_all(starts).await;
        let mut client = fleet.client(0).unwrap();
        let all = ListChallengesRequest {
            page_size: 100,
            ..Default::default()
        };
        let list = client.list_challenges(all).await.unwrap().into_inner();
        fleet.challenges = list.challenges.into_iter().map(|row| row.id).collect();
        fleet
    }

    /// A way to call what is in a slot, unless it is down.
    pub fn client(&self, slot: usize) -> Option<Client> {
        self.slots[slot].client.read().unwrap().clone()
    }

    /// Starts a replica in an empty slot.
    pub async fn fill(&self, slot: usize) {
        let number = {
            let mut ends = self.ends.lock().unwrap();
            ends.push(None);
            ends.len() - 1
        };
        let redis = Fault::redis_database(self.fault, slot);
        let environment = [
            ("DATABASE_URL", self.database.url()),
            (
                "REDIS_URL",
                format!("redis://127.0.0.1:{}/{redis}", self.proxy_port),
            ),
            ("ANTHROPIC_API_KEY", "key".to_owned()),
            ("ANTHROPIC_BASE_URL", self.provider.url_for(number)),
            ("CATALOG_ANTHROPIC_INPUT_PRICE", INPUT_PRICE.to_string()),
            (
                "CATALOG_ANTHROPIC_OUTPUT_PRICE",
                Fault::output_price(self.fault).to_string(),
            ),
            ("CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE", "0".to_owned()),
            ("CATALOG_TIP_MAX_TOKENS", MOST_TOKENS.to_string()),
            ("CATALOG_TIP_DAILY_BUDGET", BUDGET.to_string()),
            ("CATALOG_REPLICAS", REPLICAS.to_string()),
            ("CATALOG_TIP_REFRESH", "all".to_owned()),
            ("CATALOG_TIP_STREAMS_PER_MINUTE", "1000000".to_owned()),
            ("CATALOG_TIP_STREAMS_AT_ONCE", "100000".to_owned()),
            // Less than a tip takes, so that requests are cut off.
            ("CATALOG_SHUTDOWN_GRACE", "500ms".to_owned()),
            ("CATALOG_LOG", "warn".to_owned()),
        ];
        let replica = Replica::start(&environment).await;
        let client = replica.client().await;
        *self.slots[slot].replica.lock().await = Some((number, replica));
        *self.slots[slot].client.write().unwrap() = Some(client);
        self.note_replica(slot, None);
    }

    /// Ends the replica in a slot by a signal.
    pub async fn end(&self, slot: usize, signal: &str) {
        let is_killed = signal == "KILL";
        let word = if is_killed { "killed" } else { "stopped" };
        self.note_replica(slot, Some(word));
        *self.slots[slot].client.write().unwrap() = None;
        let taken = self.slots[slot].replica.lock().await.take();
        let Some((number, replica)) = taken else {
            return;
        };
        let (at, open) = (Instant::now(), self.provider.open(Some(number)));
        let was_well = self.is_redis_well();
        replica.end(signal).await;
        let end = End {
            at,
            open,
            is_killed,
            is_silent: is_killed || !was_well || !self.is_redis_well(),
        };
        self.ends.lock().unwrap()[number] = Some(end);
    }

    /// How a replica ended, if it did.
    pub fn end_of(&self, number: usize) -> Option<End> {
        self.ends.lock().unwrap()[number]
    }

    /// How those ended that are gone.
    pub fn ends(&self) -> Vec<End> {
        self.ends
            .lock()
            .unwrap()
            .iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The most that replicas that are gone can have left.
    pub fn held_by_gone(&self) -> u64 {
        self.ends().into_iter().map(End::held).sum()
    }

    fn is_redis_well(&self) -> bool {
        self.broken.lock().unwrap()[0].is_none()
    }

    pub fn note_redis(&self, what: Option<&'static str>) {
        *self.redis_well_since.lock().unwrap() = what.is_none().then(Instant::now);
        self.broken.lock().unwrap()[0] = what;
    }

    fn note_replica(&self, slot: usize, what: Option<&'static str>) {
        self.broken.lock().unwrap()[1 + slot] = what;
    }

    /// Whether Redis has been well for so long.
    pub fn has_redis_for(&self, time: Duration) -> bool {
        let since = *self.redis_well_since.lock().unwrap();
        since.is_some_and(|since| since.elapsed() >= time)
    }

    /// What is broken now, in words.
    pub fn broken(&self) -> String {
        let broken = *self.broken.lock().unwrap();
        let names = ["Redis", "replica 0", "replica 1", "replica 2"];
        let words = names.into_iter().zip(broken);
        let words = words.filter_map(|(name, what)| Some(format!("{name} {}", what?)));
        let words: Vec<_> = words.collect();
        if words.is_empty() {
            "all is well".to_owned()
        } else {
            words.join(", ")
        }
    }
}
