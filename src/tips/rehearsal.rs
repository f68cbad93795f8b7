//! Finding out whether Redis does what tips need of it, where it failed: the next tip may be far.
use std::sync::Arc;

use bb8_redis::redis::Value;
use futures_util::future::join_all;

use super::{
    TipRedis, budget,
    entries::Names,
    fanout::{Fanout, Part},
    frame::{Entry, Position},
    limiter,
};
use crate::{
    domain::{Epoch, FallbackCause, TipKey},
    redis,
};

/// Of so many names one lies in any part of a cluster.
const TRIES_A_PART: usize = 256;

impl Fanout {
    /// Whether Redis is read and written to. Where that failed, all that tips do there is done once, under names that
    /// are nobody's: what is refused may be one command of many.
    pub(super) async fn reaches_redis(&self) -> bool {
        let trial = Self::new(Arc::new(self.redis.trial()), self.max_bytes);
        let rehearsals = self
            .link()
            .parts_to_try()
            .filter_map(|part| trial.names_in(part));
        join_all(rehearsals.map(|names| trial.rehearse(names))).await;
        self.link().tell_if_over();
        !self.link().is_bypassed()
    }

    fn names_in(&self, part: redis::Part) -> Option<Names> {
        let mut names = (0..TRIES_A_PART).map(|_| self.names(TipKey(rand::random())));
        names.find(|names| self.link().is_in(part, &names.scope))
    }

    /// `None` at the first command that is refused or not answered: the way to Redis has noted it.
    async fn rehearse(&self, names: Names) -> Option<()> {
        self.look(&names).await?;
        let Part::Lead(lease) = self.join(&names, Epoch(0)).await? else {
            return None;
        };
        let (epoch, names) = (lease.epoch, &names);
        let text = Entry::Text {
            offset: 0,
            text: ".".to_owned(),
        };
        self.append(names, &lease, epoch, Some((1, &text))).await?;
        self.append(names, &lease, epoch, None).await?;
        self.tail(names, None).await?;
        self.leave(names).await?;
        self.release(names, &lease).await?;
        let (at, end) = (
            Position { epoch, number: 2 },
            Entry::Failed(FallbackCause::Abandoned),
        );
        let keep = std::time::Duration::from_millis(1);
        self.close(names, &lease, at, &end, keep).await?;
        limiter::rehearse(&self.redis, names).await?;
        budget::rehearse(&self.redis, names).await?;
        self.remove(names).await.map(drop)
    }

    async fn remove(&self, names: &Names) -> Option<Value> {
        let others = ["log", "lease", "done", "neg", "att", "subs", "money"];
        let others = others.map(|name| names.one(name));
        let link = &self.redis.link;
        link.change("DEL", &names.one("ep"), &others).await
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
