//! Copies a tip that another replica writes from Redis to the log here.
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    cluster::{LEASE, TipCluster},
    frame::{Entry, Frame, Position},
    log::{End, Log, LogState},
    policy::ContentPolicy,
    redis_keys::RedisKeys,
};
use crate::domain::{Epoch, FallbackCause, Tip, TipPhase, TipSource};

/// Messages may be lost, so the log in Redis is looked at this often whatever they say.
const LOOK: Duration = Duration::from_millis(250);

/// Carries what another replica writes from Redis to the log here: one for each tip and replica,
/// however many read it.
pub(super) struct Follower<'a> {
    cluster: &'a TipCluster,
    redis_keys: &'a RedisKeys,
    log: &'a Log,
    /// The last entry that is in the log here.
    at: Option<Position>,
    /// What the text of this epoch has been read by.
    policy: ContentPolicy,
}

/// How following ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// With a tip, which stands in the log.
    Whole(Tip),
    /// Without one.
    Failed(FallbackCause),
    /// Nobody leads any more.
    LeaderLost,
    /// Redis does not answer.
    RedisLost,
    /// Nobody reads any more.
    Deserted,
}

impl<'a> Follower<'a> {
    pub(super) fn new(cluster: &'a TipCluster, redis_keys: &'a RedisKeys, log: &'a Log) -> Self {
        Self {
            cluster,
            redis_keys,
            log,
            at: None,
            policy: cluster.policy(),
        }
    }

    /// The epoch that was followed last.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.at.map(|at| at.epoch)
    }

    /// Follows until there is nothing more to follow.
    pub(super) async fn run(&mut self) -> Followed {
        let log = self.log;
        let followed = tokio::select! {
            followed = self.follow() => followed,
            () = log.deserted() => Followed::Deserted,
        };
        self.cluster.leave(self.redis_keys).await;
        followed
    }

    async fn follow(&mut self) -> Followed {
        let mut hints = self.cluster.hints(self.redis_keys);
        let mut answered = Instant::now();
        loop {
            match self.cluster.tail(self.redis_keys, self.at).await {
                Some(tail) => {
                    answered = Instant::now();
                    let is_news = !tail.frames.is_empty();
                    if let Some(end) = self.take(tail.frames) {
                        return end;
                    }
                    if is_news {
                        continue;
                    }
                    if !tail.has_leader {
                        return Followed::LeaderLost;
                    }
                }
                None if answered.elapsed() > LEASE => return Followed::RedisLost,
                None => {}
            }
            let look = sleep(LOOK);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    message = hints.next() => {
                        let frame = self.cluster.read_message(self.redis_keys, &message);
                        match frame.filter(|frame| self.is_next(frame.at)) {
                            Some(frame) => if let Some(end) = self.take(vec![frame]) {
                                return end;
                            },
                            // Something is missing, or it is time to look who leads.
                            None => break,
                        }
                    }
                    () = &mut look => break,
                }
            }
        }
    }

    fn is_next(&self, position: Position) -> bool {
        self.at.is_some_and(|at| position.follows(at))
    }

    /// Puts frames into the log, all at once, so that readers never see half of them.
    fn take(&mut self, frames: Vec<Frame>) -> Option<Followed> {
        let newer = frames
            .into_iter()
            .filter(|frame| self.at.is_none_or(|at| at < frame.at));
        let newer: Vec<_> = newer.collect();
        self.at = newer.last().map(|frame| frame.at).or(self.at);
        let mut end = None;
        if !newer.is_empty() {
            let (cluster, policy) = (self.cluster, &mut self.policy);
            self.log.write(|state| {
                for frame in newer {
                    if matches!(frame.entry, Entry::Begin(_)) {
                        *policy = cluster.policy();
                    }
                    end = apply(state, frame, policy).or(end.take());
                }
            });
        }
        end
    }
}

/// Changes the page as the frame says, if its text may be shown.
fn apply(state: &mut LogState, frame: Frame, policy: &mut ContentPolicy) -> Option<Followed> {
    match frame.entry {
        Entry::Begin(cause) => {
            state.begin(frame.at.epoch, false, cause);
            None
        }
        Entry::Text { offset, text } => {
            // An offset that does not fit is of an epoch whose beginning was trimmed away.
            if usize::try_from(offset).is_ok_and(|offset| offset == state.text.len()) {
                if policy.read(&text).is_err() {
                    return Some(Followed::Failed(FallbackCause::Rules));
                }
                state.phase = TipPhase::Generating;
                state.text.push_str(&text);
            }
            None
        }
        Entry::Whole(_) if policy.finish().is_err() => Some(Followed::Failed(FallbackCause::Rules)),
        Entry::Whole(tip) => {
            state.end = Some(End::Whole {
                tip: std::sync::Arc::new((*tip).clone()),
                source: TipSource::Ai,
            });
            state.is_open = true;
            Some(Followed::Whole(*tip))
        }
        Entry::Failed(cause) => Some(Followed::Failed(cause)),
    }
}
