//! One reader of a log: which event it gets next, and how it waits for that.
use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    TipStats,
    callers::ConcurrencyPermit,
    hash::{Growing, sha256, short_hash},
    log::{Failed, LogEnd, LogState, Subscription},
};
use crate::domain::{
    Epoch, Error, FallbackCause, ResetCause, ResumePoint, Tip, TipDone, TipEvent, TipEventKind,
    TipKey, TipPhase, TipRole, TipSource,
};

/// The minimum heartbeat interval.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(100);

/// One caller that reads a log: waits for text, keeps the caller's deadline, and sends heartbeats.
pub(super) struct LogReader {
    cursor: LogCursor,
    subscription: Subscription,
    deadline: Instant,
    heartbeat: Option<Duration>,
    started: Instant,
    /// When it last sent an event that was no heartbeat.
    progressed: Instant,
    /// When it last sent any event.
    sent: Instant,
    has_text: bool,
    /// The writer of the log is gone without ending it.
    is_orphan: bool,
    is_over: bool,
    stats: Arc<TipStats>,
    /// One of the streams that the caller may have at once.
    _permit: Option<ConcurrencyPermit>,
}

impl LogReader {
    pub(super) fn new(
        options: ReaderOptions,
        subscription: Subscription,
        deadline: Instant,
        heartbeat: Option<Duration>,
        stats: Arc<TipStats>,
        permit: Option<ConcurrencyPermit>,
    ) -> Self {
        let now = Instant::now();
        Self {
            cursor: LogCursor::new(options),
            subscription,
            deadline,
            heartbeat: heartbeat.map(|every| every.max(LEAST_HEARTBEAT)),
            started: now,
            progressed: now,
            sent: now,
            has_text: false,
            is_orphan: false,
            is_over: false,
            stats,
            _permit: permit,
        }
    }

    /// All events for this caller.
    pub(super) fn events(self) -> impl Stream<Item = Result<TipEvent, Error>> {
        stream::unfold(self, async |mut reader| {
            reader.next().await.map(|event| (event, reader))
        })
    }

    async fn next(&mut self) -> Option<Result<TipEvent, Error>> {
        if self.is_over {
            return None;
        }
        let event = self.event().await;
        self.is_over = match &event {
            Ok(event) => matches!(event.kind, TipEventKind::Done(_)),
            Err(_) => true,
        };
        self.sent = Instant::now();
        Some(event)
    }

    async fn event(&mut self) -> Result<TipEvent, Error> {
        loop {
            match self.step() {
                CursorStep::Send(event) | CursorStep::Last(event) => {
                    self.note(&event);
                    return Ok(event);
                }
                CursorStep::Fail(error) => return Err(error),
                CursorStep::Wait => {}
            }
            // The first event is that of a stream that was accepted.
            let heartbeat = self.heartbeat.filter(|_| self.cursor.has_begun());
            let next_heartbeat = heartbeat.map(|every| self.sent + every);
            tokio::select! {
                changed = self.subscription.state.changed() => self.is_orphan = changed.is_err(),
                () = sleep_until(self.deadline) => return Err(Error::DeadlineExceeded),
                () = sleep_until(next_heartbeat.unwrap_or(self.deadline)), if next_heartbeat.is_some() => {
                    let phase = self.subscription.state.borrow().phase;
                    return Ok(self.cursor.heartbeat(self.progressed.elapsed(), phase));
                }
            }
        }
    }

    fn step(&mut self) -> CursorStep {
        let state = self.subscription.state.borrow_and_update();
        if self.is_orphan && state.end.is_none() {
            let end = LogEnd::Failed(Failed::new(FallbackCause::Abandoned));
            let ended = LogState {
                is_open: true,
                end: Some(end),
                ..state.clone()
            };
            return self.cursor.step(&ended);
        }
        self.cursor.step(&state)
    }

    fn note(&mut self, event: &TipEvent) {
        self.progressed = Instant::now();
        match &event.kind {
            TipEventKind::Delta { .. } if !self.has_text => {
                self.has_text = true;
                self.stats.first_text.0.record_time(self.started.elapsed());
            }
            TipEventKind::Reset { cause, .. } => {
                self.stats.resets.add(1);
                tracing::debug!(cause = cause.as_str(), "tip reset");
            }
            TipEventKind::Done(done) => {
                match done.source {
                    TipSource::Ai => self.stats.ends_ai.add(1),
                    TipSource::Cache => self.stats.ends_cache.add(1),
                    TipSource::Stale => self.stats.ends_stale.add(1),
                    TipSource::Static => self.stats.ends_static.add(1),
                }
                let fallback = done.fallback.map(FallbackCause::as_str);
                tracing::debug!(source = done.source.as_str(), fallback, "tip read");
            }
            TipEventKind::Accepted { role, source } => {
                tracing::debug!(role = role.as_str(), source = source.as_str(), "tip joined");
            }
            TipEventKind::Delta { .. } | TipEventKind::Heartbeat { .. } => {}
        }
    }
}

/// What one reader wants.
#[derive(Debug)]
pub(super) struct ReaderOptions {
    pub(super) key: TipKey,
    /// Stands in when no tip was written.
    pub(super) static_tip: Arc<str>,
    pub(super) no_static_fallback: bool,
    pub(super) resume: Option<ResumePoint>,
    /// Whether it was this reader who had the generation started.
    pub(super) came_first: bool,
}

/// The position of one reader: turns the state of a log into the events that this reader lacks.
/// Pure: it never waits, and reads no clock.
pub(super) struct LogCursor {
    options: ReaderOptions,
    at: Option<LogPosition>,
    /// The hash of the text that the reader has.
    held: Growing,
    stage: CursorStage,
}

#[derive(Clone, Copy, Debug)]
struct LogPosition {
    epoch: Epoch,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CursorStage {
    Accept,
    /// The resume point did not fit.
    Void,
    Text,
}

/// What a reader does next.
#[derive(Debug)]
pub(super) enum CursorStep {
    Send(TipEvent),
    /// The last event.
    Last(TipEvent),
    Fail(Error),
    /// Until the log changes.
    Wait,
}

/// The state of a log as this reader is to see it.
struct LogView<'a> {
    epoch: Epoch,
    text: &'a str,
    source: TipSource,
    /// Set when the text is whole: the tip that it is of, and what went wrong.
    ended: Option<(Option<&'a Tip>, Option<&'a Failed>)>,
}

impl LogCursor {
    pub(super) fn new(options: ReaderOptions) -> Self {
        Self {
            options,
            at: None,
            held: Growing::new(),
            stage: CursorStage::Accept,
        }
    }

    /// The next event, given the state of the log now.
    pub(super) fn step(&mut self, state: &LogState) -> CursorStep {
        if !state.is_open {
            return CursorStep::Wait;
        }
        let static_tip = Arc::clone(&self.options.static_tip);
        let view = match view(state, &static_tip, self.options.no_static_fallback) {
            Ok(view) => view,
            Err(error) => return CursorStep::Fail(error),
        };
        let mut place = self.at.unwrap_or_else(|| self.first_place(&view));
        if self.stage == CursorStage::Text && place.offset == 0 {
            // Who has no text has nothing to forget.
            place.epoch = view.epoch;
        }
        let kind = if self.stage == CursorStage::Accept {
            self.held.push(view.text.get(..place.offset).unwrap_or(""));
            let has_text = self.options.resume.is_some_and(|point| point.offset > 0);
            self.stage = if has_text && place.offset == 0 {
                CursorStage::Void
            } else {
                CursorStage::Text
            };
            TipEventKind::Accepted {
                role: self.role(state),
                source: view.source,
            }
        } else if self.stage == CursorStage::Void {
            self.stage = CursorStage::Text;
            TipEventKind::Reset {
                cause: ResetCause::Resume,
                new_source: view.source,
            }
        } else if place.epoch != view.epoch {
            return self.begin_again(state, &view);
        } else if let Some(text) = view.text.get(place.offset..).filter(|new| !new.is_empty()) {
            self.held.push(text);
            TipEventKind::Delta {
                text: text.to_owned(),
            }
        } else if let Some((tip, failed)) = view.ended {
            let done = done(&view, tip, failed);
            return CursorStep::Last(self.event(place, TipEventKind::Done(Box::new(done))));
        } else {
            return CursorStep::Wait;
        };
        let offset = match &kind {
            TipEventKind::Delta { text } => place.offset + text.len(),
            TipEventKind::Accepted { .. }
            | TipEventKind::Reset { .. }
            | TipEventKind::Heartbeat { .. }
            | TipEventKind::Done(_) => place.offset,
        };
        let place = LogPosition { offset, ..place };
        self.at = Some(place);
        CursorStep::Send(self.event(place, kind))
    }

    /// Whether it has sent an event.
    pub(super) fn has_begun(&self) -> bool {
        self.at.is_some()
    }

    /// A heartbeat.
    pub(super) fn heartbeat(&self, waiting: Duration, phase: TipPhase) -> TipEvent {
        let nowhere = LogPosition {
            epoch: Epoch::default(),
            offset: 0,
        };
        let kind = TipEventKind::Heartbeat { waiting, phase };
        self.event(self.at.unwrap_or(nowhere), kind)
    }

    fn event(&self, place: LogPosition, kind: TipEventKind) -> TipEvent {
        TipEvent {
            at: ResumePoint {
                key: self.options.key,
                epoch: place.epoch,
                offset: place.offset as u64,
                prefix_hash: self.held.short_hash(),
            },
            kind,
        }
    }

    fn first_place(&self, view: &LogView<'_>) -> LogPosition {
        let offset = self.options.resume.and_then(|point| {
            let fits = point.key == self.options.key && point.epoch == view.epoch;
            let offset = usize::try_from(point.offset).ok().filter(|_| fits)?;
            let hash = short_hash(view.text.get(..offset)?);
            (hash == point.prefix_hash).then_some(offset)
        });
        LogPosition {
            epoch: view.epoch,
            offset: offset.unwrap_or(0),
        }
    }

    fn begin_again(&mut self, state: &LogState, view: &LogView<'_>) -> CursorStep {
        let place = LogPosition {
            epoch: view.epoch,
            offset: 0,
        };
        self.at = Some(place);
        self.held = Growing::new();
        let cause = match view.source {
            TipSource::Ai | TipSource::Cache => state.began_by,
            TipSource::Stale | TipSource::Static => ResetCause::Fallback,
        };
        let new_source = view.source;
        CursorStep::Send(self.event(place, TipEventKind::Reset { cause, new_source }))
    }

    fn role(&self, state: &LogState) -> TipRole {
        match &state.end {
            Some(LogEnd::Failed(_)) => TipRole::Replay,
            Some(LogEnd::Whole { source, .. }) if *source != TipSource::Ai => TipRole::Replay,
            Some(LogEnd::Whole { .. }) | None if self.options.came_first && state.leads => {
                TipRole::Leader
            }
            Some(LogEnd::Whole { .. }) | None => TipRole::Follower,
        }
    }
}

fn view<'a>(
    state: &'a LogState,
    static_tip: &'a str,
    no_static_fallback: bool,
) -> Result<LogView<'a>, Error> {
    Ok(match &state.end {
        None => LogView {
            epoch: state.epoch,
            text: &state.text,
            source: TipSource::Ai,
            ended: None,
        },
        Some(LogEnd::Whole { tip, source }) => LogView {
            epoch: tip.epoch,
            text: &tip.text,
            source: *source,
            ended: Some((Some(tip), None)),
        },
        Some(LogEnd::Failed(failed)) => match &failed.stale {
            Some(tip) => LogView {
                epoch: tip.epoch,
                text: &tip.text,
                source: TipSource::Stale,
                ended: Some((Some(tip), Some(failed))),
            },
            None if no_static_fallback => return Err(failed.error()),
            None => LogView {
                epoch: Epoch::default(),
                text: static_tip,
                source: TipSource::Static,
                ended: Some((None, Some(failed))),
            },
        },
    })
}

fn done(view: &LogView<'_>, tip: Option<&Tip>, failed: Option<&Failed>) -> TipDone {
    TipDone {
        sha256: tip.map_or_else(|| sha256(view.text), |tip| tip.sha256),
        bytes: view.text.len() as u64,
        source: view.source,
        fallback: failed.map(|failed| failed.cause),
        retry_after: failed.map(|failed| failed.retry_after),
        stop: tip.map(|tip| tip.stop),
        usage: tip.map(|tip| tip.usage),
        model: tip.map(|tip| tip.model.clone()),
        created_at: tip.map(|tip| tip.created_at),
    }
}
