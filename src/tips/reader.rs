use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    TipStats,
    callers::Turn,
    cursor::{Cursor, Step, Terms},
    log::{End, Failed, Page, Seat},
};
use crate::domain::{Error, FallbackCause, TipEvent, TipEventKind, TipSource};

/// Signs of life come no thicker than this.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(100);

/// One caller at one log: waits for text, keeps the caller's deadline, and gives signs of life.
pub(super) struct Reader {
    cursor: Cursor,
    seat: Seat,
    deadline: Instant,
    heartbeat: Option<Duration>,
    asked: Instant,
    /// When it last told something that was no heartbeat.
    told: Instant,
    /// When it last told anything.
    sent: Instant,
    has_text: bool,
    /// Whoever wrote the log is gone without a word.
    is_orphan: bool,
    is_over: bool,
    stats: Arc<TipStats>,
    /// One of the streams that the caller may have at once.
    _turn: Option<Turn>,
}

impl Reader {
    pub(super) fn new(
        terms: Terms,
        seat: Seat,
        deadline: Instant,
        heartbeat: Option<Duration>,
        stats: Arc<TipStats>,
        turn: Option<Turn>,
    ) -> Self {
        let now = Instant::now();
        Self {
            cursor: Cursor::new(terms),
            seat,
            deadline,
            heartbeat: heartbeat.map(|every| every.max(LEAST_HEARTBEAT)),
            asked: now,
            told: now,
            sent: now,
            has_text: false,
            is_orphan: false,
            is_over: false,
            stats,
            _turn: turn,
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
                Step::Tell(event) | Step::Last(event) => {
                    self.note(&event);
                    return Ok(event);
                }
                Step::Fail(error) => return Err(error),
                Step::Wait => {}
            }
            // The first event is that of a stream that was accepted.
            let heartbeat = self.heartbeat.filter(|_| self.cursor.has_begun());
            let beat = heartbeat.map(|every| self.sent + every);
            tokio::select! {
                changed = self.seat.page.changed() => self.is_orphan = changed.is_err(),
                () = sleep_until(self.deadline) => return Err(Error::DeadlineExceeded),
                () = sleep_until(beat.unwrap_or(self.deadline)), if beat.is_some() => {
                    let phase = self.seat.page.borrow().phase;
                    return Ok(self.cursor.heartbeat(self.told.elapsed(), phase));
                }
            }
        }
    }

    fn look(&mut self) -> Step {
        let page = self.seat.page.borrow_and_update();
        if self.is_orphan && page.end.is_none() {
            let end = End::Failed(Failed::new(FallbackCause::Abandoned));
            let ended = Page {
                is_open: true,
                end: Some(end),
                ..page.clone()
            };
            return self.cursor.step(&ended);
        }
        self.cursor.step(&page)
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
