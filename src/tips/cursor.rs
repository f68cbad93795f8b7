//! One reader's place in a log: which event comes next.
use std::sync::Arc;

use super::{
    key::{Growing, sha256, short_hash},
    log::{End, Failed, LogState},
};
use crate::domain::{
    Epoch, Error, ResetCause, ResumePoint, Tip, TipDone, TipEvent, TipEventKind, TipKey, TipPhase,
    TipRole, TipSource,
};

/// What one reader may be given.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) key: TipKey,
    /// Stands in when no tip was written.
    pub(super) static_tip: Arc<str>,
    pub(super) no_static_fallback: bool,
    pub(super) resume: Option<ResumePoint>,
    /// Whether it was this reader who had the generation started.
    pub(super) came_first: bool,
}

/// How far one reader is: turns what stands in a log into the events that this reader lacks.
/// Pure: it never waits, and asks no clock.
#[derive(Debug)]
pub(super) struct Cursor {
    terms: Terms,
    at: Option<Place>,
    /// What the reader has, as a hash.
    held: Growing,
    /// Left to tell, before anything else.
    next: Next,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    epoch: Epoch,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Accept,
    /// The resume point did not fit.
    Void,
    Text,
}

/// What a reader does next.
#[derive(Debug)]
pub(super) enum CursorStep {
    Tell(TipEvent),
    /// And no more.
    Last(TipEvent),
    Fail(Error),
    /// Until the log changes.
    Wait,
}

/// A page as this reader is to see it.
struct View<'a> {
    epoch: Epoch,
    text: &'a str,
    source: TipSource,
    /// Whether the text is all there is; with the tip that it is of, and what went wrong.
    ended: Option<(Option<&'a Tip>, Option<&'a Failed>)>,
}

impl Cursor {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            at: None,
            held: Growing::new(),
            next: Next::Accept,
        }
    }

    /// The next event, given what stands in the log now.
    pub(super) fn step(&mut self, state: &LogState) -> CursorStep {
        if !state.is_open {
            return CursorStep::Wait;
        }
        let static_tip = Arc::clone(&self.terms.static_tip);
        let view = match view(state, &static_tip, self.terms.no_static_fallback) {
            Ok(view) => view,
            Err(error) => return CursorStep::Fail(error),
        };
        let mut place = self.at.unwrap_or_else(|| self.first_place(&view));
        if self.next == Next::Text && place.offset == 0 {
            // Who has no text has nothing to forget.
            place.epoch = view.epoch;
        }
        let kind = if self.next == Next::Accept {
            self.held.push(view.text.get(..place.offset).unwrap_or(""));
            let has_text = self.terms.resume.is_some_and(|point| point.offset > 0);
            self.next = if has_text && place.offset == 0 {
                Next::Void
            } else {
                Next::Text
            };
            TipEventKind::Accepted {
                role: self.role(state),
                source: view.source,
            }
        } else if self.next == Next::Void {
            self.next = Next::Text;
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
        let place = Place { offset, ..place };
        self.at = Some(place);
        CursorStep::Tell(self.event(place, kind))
    }

    /// Whether it has told anything.
    pub(super) fn has_begun(&self) -> bool {
        self.at.is_some()
    }

    /// A sign of life.
    pub(super) fn heartbeat(&self, waiting: std::time::Duration, phase: TipPhase) -> TipEvent {
        let nowhere = Place {
            epoch: Epoch::default(),
            offset: 0,
        };
        let kind = TipEventKind::Heartbeat { waiting, phase };
        self.event(self.at.unwrap_or(nowhere), kind)
    }

    fn event(&self, place: Place, kind: TipEventKind) -> TipEvent {
        TipEvent {
            at: ResumePoint {
                key: self.terms.key,
                epoch: place.epoch,
                offset: place.offset as u64,
                prefix_hash: self.held.short_hash(),
            },
            kind,
        }
    }

    fn first_place(&self, view: &View<'_>) -> Place {
        let offset = self.terms.resume.and_then(|point| {
            let fits = point.key == self.terms.key && point.epoch == view.epoch;
            let offset = usize::try_from(point.offset).ok().filter(|_| fits)?;
            let hash = short_hash(view.text.get(..offset)?);
            (hash == point.prefix_hash).then_some(offset)
        });
        Place {
            epoch: view.epoch,
            offset: offset.unwrap_or(0),
        }
    }

    fn begin_again(&mut self, state: &LogState, view: &View<'_>) -> CursorStep {
        let place = Place {
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
        CursorStep::Tell(self.event(place, TipEventKind::Reset { cause, new_source }))
    }

    fn role(&self, state: &LogState) -> TipRole {
        match &state.end {
            Some(End::Failed(_)) => TipRole::Replay,
            Some(End::Whole { source, .. }) if *source != TipSource::Ai => TipRole::Replay,
            Some(End::Whole { .. }) | None if self.terms.came_first && state.leads => {
                TipRole::Leader
            }
            Some(End::Whole { .. }) | None => TipRole::Follower,
        }
    }
}

fn view<'a>(
    state: &'a LogState,
    static_tip: &'a str,
    no_static_fallback: bool,
) -> Result<View<'a>, Error> {
    Ok(match &state.end {
        None => View {
            epoch: state.epoch,
            text: &state.text,
            source: TipSource::Ai,
            ended: None,
        },
        Some(End::Whole { tip, source }) => View {
            epoch: tip.epoch,
            text: &tip.text,
            source: *source,
            ended: Some((Some(tip), None)),
        },
        Some(End::Failed(failed)) => match &failed.stale {
            Some(tip) => View {
                epoch: tip.epoch,
                text: &tip.text,
                source: TipSource::Stale,
                ended: Some((Some(tip), Some(failed))),
            },
            None if no_static_fallback => return Err(failed.error()),
            None => View {
                epoch: Epoch::default(),
                text: static_tip,
                source: TipSource::Static,
                ended: Some((None, Some(failed))),
            },
        },
    })
}

fn done(view: &View<'_>, tip: Option<&Tip>, failed: Option<&Failed>) -> TipDone {
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
