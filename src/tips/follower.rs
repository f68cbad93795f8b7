use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    entries::Names,
    fanout::{Fanout, LEASE},
    frame::{Entry, Frame, Position},
    log::{End, Log, Page},
    rules::Rules,
};
use crate::domain::{Epoch, FallbackCause, Tip, TipPhase, TipSource};

/// Messages may be lost, so the log in Redis is looked at this often whatever they say.
const LOOK: Duration = Duration::from_millis(250);

/// Carries what another replica writes from Redis to the log here: one for each tip and replica,
/// however many read it.
pub(super) struct Follower<'a> {
    fanout: &'a Fanout,
    names: &'a Names,
    log: &'a Log,
    /// The last entry that is in the log here.
    at: Option<Position>,
    /// What the text of this epoch has been read by.
    rules: Rules,
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
    pub(super) fn new(fanout: &'a Fanout, names: &'a Names, log: &'a Log) -> Self {
        Self {
            fanout,
            names,
            log,
            at: None,
            rules: fanout.rules(),
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
        self.fanout.leave(self.names).await;
        followed
    }

    async fn follow(&mut self) -> Followed {
        let mut hints = self.fanout.hints(self.names);
        let mut answered = Instant::now();
        loop {
            match self.fanout.tail(self.names, self.at).await {
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
                        let frame = self.fanout.read_message(self.names, &message);
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
            let (fanout, rules) = (self.fanout, &mut self.rules);
            self.log.write(|page| {
                for frame in newer {
                    if matches!(frame.entry, Entry::Begin(_)) {
                        *rules = fanout.rules();
                    }
                    end = apply(page, frame, rules).or(end.take());
                }
            });
        }
        end
    }
}

/// Changes the page as the frame says, if its text may be shown.
fn apply(page: &mut Page, frame: Frame, rules: &mut Rules) -> Option<Followed> {
    match frame.entry {
        Entry::Begin(cause) => {
            page.begin(frame.at.epoch, false, cause);
            None
        }
        Entry::Text { offset, text } => {
            // An offset that does not fit is of an epoch whose beginning was trimmed away.
            if usize::try_from(offset).is_ok_and(|offset| offset == page.text.len()) {
                if rules.read(&text).is_err() {
                    return Some(Followed::Failed(FallbackCause::Rules));
                }
                page.phase = TipPhase::Generating;
                page.text.push_str(&text);
            }
            None
        }
        Entry::Whole(_) if rules.finish().is_err() => Some(Followed::Failed(FallbackCause::Rules)),
        Entry::Whole(tip) => {
            page.end = Some(End::Whole {
                tip: std::sync::Arc::new((*tip).clone()),
                source: TipSource::Ai,
            });
            page.is_open = true;
            Some(Followed::Whole(*tip))
        }
        Entry::Failed(cause) => Some(Followed::Failed(cause)),
    }
}
