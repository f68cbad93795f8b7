//! The health check of Redis: runs every command that tips send. It is needed because the next tip may be far away.
use bb8_redis::redis::Value;
use futures_util::future::join_all;

use super::{
    budget,
    cluster::{ClusterTip, JoinOutcome, TipCluster},
    frame::{Position, StreamEntry},
    limiter,
};
use crate::{
    domain::{Epoch, FallbackCause, TipKey},
    redis::SlotRange,
};

/// How many keys are tried to find one that lies in a given slot range of a cluster.
const TRIES_A_RANGE: usize = 256;

impl TipCluster {
    /// Whether reads and writes of Redis work. While a breaker is open, every command of tips is run once, under keys that
    /// belong to no tip: Redis may refuse one command of many.
    pub(super) async fn reaches_redis(&self) -> bool {
        let probe = self.for_health_check();
        let tips = self.client().ranges_to_probe();
        let tips = tips.filter_map(|range| probe.tip_in(range));
        join_all(tips.map(async |tip| probe_commands(&tip).await)).await;
        self.client().log_recovery();
        !self.client().has_open_breaker()
    }

    fn tip_in(&self, range: SlotRange) -> Option<ClusterTip> {
        let mut tips = (0..TRIES_A_RANGE).map(|_| self.tip(TipKey(rand::random())));
        tips.find(|tip| self.client().is_in_range(range, &tip.redis_keys.scope))
    }
}

/// `None` at the first command that is refused or not answered: the client has reported it to its breaker.
async fn probe_commands(tip: &ClusterTip) -> Option<()> {
    tip.read_done().await?;
    let JoinOutcome::Lead(lease) = tip.join(Epoch(0)).await? else {
        return None;
    };
    let epoch = lease.epoch;
    let text = StreamEntry::Text {
        offset: 0,
        text: ".".to_owned(),
    };
    tip.append(&lease, epoch, Some((1, &text))).await?;
    tip.append(&lease, epoch, None).await?;
    tip.tail(None).await?;
    tip.stop_following().await?;
    tip.release(&lease).await?;
    let (at, end) = (
        Position { epoch, number: 2 },
        StreamEntry::Failed(FallbackCause::Abandoned),
    );
    let keep = std::time::Duration::from_millis(1);
    tip.close(&lease, at, &end, keep).await?;
    limiter::probe(&tip.redis, &tip.redis_keys).await?;
    budget::probe(&tip.redis, &tip.redis_keys).await?;
    remove(tip).await.map(drop)
}

async fn remove(tip: &ClusterTip) -> Option<Value> {
    let others = ["log", "lease", "done", "neg", "att", "subs", "money"];
    let (client, others) = (&tip.redis.client, tip.redis_keys.all(&others));
    client
        .write("DEL", &tip.redis_keys.one("ep"), &others)
        .await
}
