//! One caller that reads a log: waits for text, keeps the caller's deadline, and sends heartbeats.
use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    TipStats,
    callers::ConcurrencyPermit,
    cursor::{Cursor, CursorStep, Terms},
    log::{End, Failed, LogState, Subscription},
};
use crate::domain::{Error, FallbackCause, TipEvent, TipEventKind, TipSource};

/// The minimum heartbeat interval.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(100);

/// One caller at one log: waits for text, keeps the caller's deadline, and gives signs of life.
pub(super) struct Reader {
    cursor: Cursor,
    subscription: Subscription,
    deadline: Instant,
    heartbeat: Option<Duration>,
    asked: Instant,
    /// When it last told something that was no heartbeat.
    told: Instant,
    /// When it last told anything.
    sent: Instant,
    has_text: bool,
    /// The writer of the log is gone without ending it.
    is_orphan: bool,
    is_over: bool,
    stats: Arc<TipStats>,
    /// One of the streams that the caller may have at once.
    _turn: Option<ConcurrencyPermit>,
}

impl Reader {
    pub(super) fn new(
        terms: Terms,
        subscription: Subscription,
        deadline: Instant,
        heartbeat: Option<Duration>,
        stats: Arc<TipStats>,
        permit: Option<ConcurrencyPermit>,
    ) -> Self {
        let now = Instant::now();
        Self {
            cursor: Cursor::new(terms),
            subscription,
            deadline,
            heartbeat: heartbeat.map(|every| every.max(LEAST_HEARTBEAT)),
            asked: now,
            told: now,
            sent: now,
            has_text: false,
            is_orphan: false,
            is_over: false,
            stats,
            _turn: permit,
        }
    }

    /// All that this caller gets.
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
            match self.look() {
                CursorStep::Tell(event) | CursorStep::Last(event) => {
                    self.note(&event);
                    return Ok(event);
                }
                CursorStep::Fail(error) => return Err(error),
                CursorStep::Wait => {}
            }
            // The first event is that of a stream that was accepted.
            let heartbeat = self.heartbeat.filter(|_| self.cursor.has_begun());
            let beat = heartbeat.map(|every| self.sent + every);
            tokio::select! {
                changed = self.subscription.state.changed() => self.is_orphan = changed.is_err(),
                () = sleep_until(self.deadline) => return Err(Error::DeadlineExceeded),
                () = sleep_until(beat.unwrap_or(self.deadline)), if beat.is_some() => {
                    let phase = self.subscription.state.borrow().phase;
                    return Ok(self.cursor.heartbeat(self.told.elapsed(), phase));
                }
            }
        }
    }

    fn look(&mut self) -> CursorStep {
        let state = self.subscription.state.borrow_and_update();
        if self.is_orphan && state.end.is_none() {
            let end = End::Failed(Failed::new(FallbackCause::Abandoned));
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
        self.told = Instant::now();
        match &event.kind {
            TipEventKind::Delta { .. } if !self.has_text => {
                self.has_text = true;
                self.stats.first_text.0.record_time(self.asked.elapsed());
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
