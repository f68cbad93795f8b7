//! Copies a tip that another replica writes from Redis to the log here.
use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    cluster::{ClusterTip, LEASE},
    frame::{Frame, Position, StreamEntry},
    log::{Log, LogEnd, LogState},
    policy::ContentPolicy,
};
use crate::domain::{Epoch, FallbackCause, Tip, TipPhase, TipSource};

/// Messages may be lost, so the stream in Redis is polled this often as well.
const POLL: Duration = Duration::from_millis(250);

/// Copies a tip that another replica writes from Redis to the log here. There is one for each tip and replica,
/// however many readers there are.
pub(super) struct Follower<'a> {
    tip: &'a ClusterTip,
    log: &'a Log,
    /// The last entry that is in the log here.
    at: Option<Position>,
    /// Checks the text of this epoch.
    policy: ContentPolicy,
}

/// How following ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// With a tip, which stands in the log.
    Whole(Tip),
    /// Without one.
    Failed(FallbackCause),
    /// No replica leads any more.
    LeaderLost,
    /// Redis does not answer.
    RedisLost,
    /// Nobody reads any more.
    Deserted,
}

impl<'a> Follower<'a> {
    pub(super) fn new(tip: &'a ClusterTip, log: &'a Log) -> Self {
        Self {
            tip,
            log,
            at: None,
            policy: tip.policy(),
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
        self.tip.stop_following().await;
        followed
    }

    async fn follow(&mut self) -> Followed {
        let mut messages = self.tip.subscribe();
        let mut answered = Instant::now();
        loop {
            match self.tip.tail(self.at).await {
                Some(tail) => {
                    answered = Instant::now();
                    let has_entries = !tail.frames.is_empty();
                    if let Some(end) = self.take(tail.frames) {
                        return end;
                    }
                    if has_entries {
                        continue;
                    }
                    if !tail.has_leader {
                        return Followed::LeaderLost;
                    }
                }
                None if answered.elapsed() > LEASE => return Followed::RedisLost,
                None => {}
            }
            let poll = sleep(POLL);
            tokio::pin!(poll);
            loop {
                tokio::select! {
                    message = messages.next() => {
                        let frame = self.tip.codec().read_message(&message);
                        match frame.filter(|frame| self.is_next(frame.at)) {
                            Some(frame) => if let Some(end) = self.take(vec![frame]) {
                                return end;
                            },
                            // An entry is missing: poll.
                            None => break,
                        }
                    }
                    () = &mut poll => break,
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
            let (tip, policy) = (self.tip, &mut self.policy);
            self.log.write(|state| {
                for frame in newer {
                    if matches!(frame.entry, StreamEntry::Begin(_)) {
                        *policy = tip.policy();
                    }
                    end = apply(state, frame, policy).or(end.take());
                }
            });
        }
        end
    }
}

/// Applies a frame to the log, if its text may be shown.
fn apply(state: &mut LogState, frame: Frame, policy: &mut ContentPolicy) -> Option<Followed> {
    match frame.entry {
        StreamEntry::Begin(cause) => {
            state.begin(frame.at.epoch, false, cause);
            None
        }
        StreamEntry::Text { offset, text } => {
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
        StreamEntry::Whole(_) if policy.finish().is_err() => {
            Some(Followed::Failed(FallbackCause::Rules))
        }
        StreamEntry::Whole(tip) => {
            state.end = Some(LogEnd::Whole {
                tip: Arc::new((*tip).clone()),
                source: TipSource::Ai,
            });
            state.is_open = true;
            Some(Followed::Whole(*tip))
        }
        StreamEntry::Failed(cause) => Some(Followed::Failed(cause)),
    }
}
