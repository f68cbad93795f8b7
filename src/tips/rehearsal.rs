//! Finding out whether Redis does what tips need of it, where it failed: the next tip may be far.
use std::sync::Arc;

use bb8_redis::redis::Value;
use futures_util::future::join_all;

use super::{
    TipRedis, budget,
    cluster::{Role, TipCluster},
    frame::{Entry, Position},
    limiter,
    redis_keys::RedisKeys,
};
use crate::{
    domain::{Epoch, FallbackCause, TipKey},
    redis,
};

/// Of so many names one lies in any part of a cluster.
const TRIES_A_PART: usize = 256;

impl TipCluster {
    /// Whether Redis is read and written to. Where that failed, all that tips do there is done once, under names that
    /// are nobody's: what is refused may be one command of many.
    pub(super) async fn reaches_redis(&self) -> bool {
        let trial = Self::new(Arc::new(self.redis.trial()), self.max_bytes);
        let rehearsals = self
            .link()
            .parts_to_try()
            .filter_map(|part| trial.names_in(part));
        join_all(rehearsals.map(|redis_keys| trial.rehearse(redis_keys))).await;
        self.link().tell_if_over();
        !self.link().is_bypassed()
    }

    fn names_in(&self, part: redis::Part) -> Option<RedisKeys> {
        let mut redis_keys = (0..TRIES_A_PART).map(|_| self.keys_of(TipKey(rand::random())));
        redis_keys.find(|redis_keys| self.link().is_in(part, &redis_keys.scope))
    }

    /// `None` at the first command that is refused or not answered: the way to Redis has noted it.
    async fn rehearse(&self, redis_keys: RedisKeys) -> Option<()> {
        self.look(&redis_keys).await?;
        let Role::Lead(lease) = self.join(&redis_keys, Epoch(0)).await? else {
            return None;
        };
        let (epoch, redis_keys) = (lease.epoch, &redis_keys);
        let text = Entry::Text {
            offset: 0,
            text: ".".to_owned(),
        };
        self.append(redis_keys, &lease, epoch, Some((1, &text)))
            .await?;
        self.append(redis_keys, &lease, epoch, None).await?;
        self.tail(redis_keys, None).await?;
        self.leave(redis_keys).await?;
        self.release(redis_keys, &lease).await?;
        let (at, end) = (
            Position { epoch, number: 2 },
            Entry::Failed(FallbackCause::Abandoned),
        );
        let keep = std::time::Duration::from_millis(1);
        self.close(redis_keys, &lease, at, &end, keep).await?;
        limiter::rehearse(&self.redis, redis_keys).await?;
        budget::rehearse(&self.redis, redis_keys).await?;
        self.remove(redis_keys).await.map(drop)
    }

    async fn remove(&self, redis_keys: &RedisKeys) -> Option<Value> {
        let others = ["log", "lease", "done", "neg", "att", "subs", "money"];
        let others = others.map(|name| redis_keys.one(name));
        let link = &self.redis.link;
        link.change("DEL", &redis_keys.one("ep"), &others).await
    }
}

impl TipRedis {
    /// The same, for those who find out how Redis does.
    fn trial(&self) -> Self {
        Self {
            link: Arc::new(self.link.trial()),
            listener: Arc::clone(&self.listener),
            database: Arc::clone(&self.database),
            mac: self.mac.clone(),
        }
    }
}
