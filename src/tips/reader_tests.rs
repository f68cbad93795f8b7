//! The cursor, page by page.
use std::sync::Arc;

use super::{
    hash::{sha256, short_hash},
    log::{Failed, LogEnd, LogState},
    reader::{CursorStep, LogCursor, ReaderOptions},
};
use crate::domain::{
    Epoch, Error, FallbackCause, ResetCause, ResumePoint, Stop, Tip, TipEvent, TipEventKind,
    TipKey, TipPhase, TipSource, UnixMicros, Usage,
};

const KEY: TipKey = TipKey([1; 32]);
const TEXT: &str = "Geh hin. Sag „Hallo“. 👋";

fn state(epoch: u64, text: &str, end: Option<LogEnd>) -> LogState {
    LogState {
        is_open: true,
        leads: true,
        epoch: Epoch(epoch),
        began_by: ResetCause::Takeover,
        text: text.to_owned(),
        phase: TipPhase::Generating,
        end,
    }
}

fn whole(epoch: u64) -> LogState {
    let tip = Arc::new(Tip {
        key: KEY,
        epoch: Epoch(epoch),
        text: TEXT.to_owned(),
        sha256: sha256(TEXT),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        stop: Stop::EndTurn,
        usage: Usage::default(),
        created_at: UnixMicros(1),
        expires_at: UnixMicros(2),
    });
    let source = TipSource::Ai;
    state(epoch, TEXT, Some(LogEnd::Whole { tip, source }))
}

fn failed(cause: FallbackCause) -> LogState {
    state(5, "half a t", Some(LogEnd::Failed(Failed::new(cause))))
}

fn options() -> ReaderOptions {
    ReaderOptions {
        key: KEY,
        static_tip: "Smile.".into(),
        no_static_fallback: false,
        resume: None,
        came_first: true,
    }
}

fn cursor(resume: Option<ResumePoint>) -> LogCursor {
    let options = options();
    LogCursor::new(ReaderOptions { resume, ..options })
}

fn strict_cursor() -> LogCursor {
    let no_static_fallback = true;
    LogCursor::new(ReaderOptions {
        no_static_fallback,
        ..options()
    })
}

/// All events that the pages bring, one page after the other.
fn events(cursor: &mut LogCursor, pages: &[LogState]) -> Vec<TipEvent> {
    let mut events = Vec::new();
    for state in pages {
        loop {
            match cursor.step(state) {
                CursorStep::Send(event) => events.push(event),
                CursorStep::Last(event) => {
                    events.push(event);
                    return events;
                }
                CursorStep::Fail(error) => panic!("{error}"),
                CursorStep::Wait => break,
            }
        }
    }
    events
}

/// What a reader who had `held` has after the events, checking every offset on the way.
fn read(held: &str, events: &[TipEvent]) -> String {
    let mut text = held.to_owned();
    for event in events {
        match &event.kind {
            TipEventKind::Delta { text: more } => text.push_str(more),
            TipEventKind::Reset { .. } => text.clear(),
            TipEventKind::Done(done) => {
                assert_eq!(done.sha256, sha256(&text));
                assert_eq!(done.bytes, text.len() as u64);
            }
            TipEventKind::Accepted { .. } | TipEventKind::Heartbeat { .. } => continue,
        }
        assert_eq!(event.at.offset, text.len() as u64);
        assert_eq!(event.at.prefix_hash, short_hash(&text));
    }
    text
}

fn point(epoch: u64, offset: usize) -> ResumePoint {
    ResumePoint {
        key: KEY,
        epoch: Epoch(epoch),
        offset: offset as u64,
        prefix_hash: short_hash(&TEXT[..offset]),
    }
}

fn resets(events: &[TipEvent]) -> usize {
    let is_reset = |event: &&TipEvent| matches!(event.kind, TipEventKind::Reset { .. });
    events.iter().filter(is_reset).count()
}

/// Offsets are contiguous borders of characters, and whatever border a reader left
/// at, it gets the rest and no reset.
#[test]
fn a_reader_resumes_from_every_border() {
    let borders = TEXT.char_indices().map(|(at, _)| at).chain([TEXT.len()]);
    for offset in borders {
        let events = events(&mut cursor(Some(point(5, offset))), &[whole(5)]);
        assert_eq!(resets(&events), 0, "{offset}");
        assert_eq!(read(&TEXT[..offset], &events), TEXT);
    }
}

/// What does not fit costs a reset, and never the tip.
#[test]
fn a_resume_point_that_does_not_fit_brings_a_reset_and_the_whole_text() {
    let good = point(5, 9);
    let wrong = [
        ResumePoint {
            key: TipKey([2; 32]),
            ..good
        },
        ResumePoint {
            epoch: Epoch(4),
            ..good
        },
        ResumePoint { offset: 8, ..good },
        ResumePoint { offset: 16, ..good },
        ResumePoint {
            offset: u64::MAX,
            ..good
        },
        ResumePoint {
            prefix_hash: [0; 8],
            ..good
        },
    ];
    for resume in wrong {
        let events = events(&mut cursor(Some(resume)), &[whole(5)]);
        assert_eq!(resets(&events), 1, "{resume:?}");
        assert_eq!(read("what it held", &events), TEXT);
    }
}

#[test]
fn a_new_epoch_voids_what_was_read() {
    let pages = [state(4, "Geh we", None), state(5, "Geh", None), whole(5)];
    let events = events(&mut cursor(None), &pages);
    assert_eq!(resets(&events), 1);
    assert_eq!(read("", &events), TEXT);
}

#[test]
fn a_failure_brings_the_static_tip_and_says_why() {
    let pages = [state(5, "half a t", None), failed(FallbackCause::Rules)];
    let events = events(&mut cursor(None), &pages);
    assert_eq!(read("", &events), "Smile.");
    let Some(TipEventKind::Done(done)) = events.last().map(|event| &event.kind) else {
        panic!("{events:?}");
    };
    assert_eq!(
        (done.source, done.fallback),
        (TipSource::Static, Some(FallbackCause::Rules))
    );
}

#[test]
fn who_wants_no_static_tip_gets_the_error() {
    let mut cursor = strict_cursor();
    assert!(matches!(
        cursor.step(&failed(FallbackCause::Rules)),
        CursorStep::Fail(Error::Declined)
    ));
    let unwell = failed(FallbackCause::Unwell);
    assert!(matches!(
        cursor.step(&unwell),
        CursorStep::Fail(Error::Unavailable { .. })
    ));
}
