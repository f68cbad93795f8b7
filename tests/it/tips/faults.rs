//! What may go wrong with a provider, before and after the first text, and what readers get.
use std::time::Duration;

use challenges_catalog::domain::{
    Error, FailureKind, FallbackCause, ResetCause, TipSource, WriteFailure,
};

use super::{
    fixtures::{STATIC, question},
    replica::{Alone, COST},
    writer::{Act, Writer, failing, spoken},
};

const TEXT: &str = "Say hello.";
const PAUSE: Duration = Duration::from_millis(20);

fn good() -> Vec<Act> {
    spoken(&["Say", " hello."], PAUSE)
}

/// Before the first text, one provider: static, after as many attempts as are worth it.
#[tokio::test(start_paused = true)]
async fn every_failure_of_the_only_provider_ends_with_the_static_tip() {
    for kind in FailureKind::ALL.iter().copied() {
        let writer = Writer::new("a", [failing("", kind)]);
        let alone = Alone::new(&[&writer]);
        let reading = alone.read(question()).await;
        assert_eq!(
            (reading.text.as_str(), reading.done.source),
            (STATIC, TipSource::Static)
        );
        assert_eq!(reading.done.fallback, Some(FallbackCause::Provider(kind)));
        let attempts = if kind.is_worth_retrying() { 3 } else { 1 };
        alone.settle().await;
        assert_eq!(alone.store.outcomes(), vec![kind.as_str(); attempts]);
        assert_eq!(alone.store.tips(), []);
    }
}

/// However many readers there are, and however often it was tried.
#[tokio::test(start_paused = true)]
async fn a_tip_that_was_not_written_counts_once_under_its_cause() {
    for kind in FailureKind::ALL.iter().copied() {
        let alone = Alone::new(&[&Writer::new("a", [failing("", kind)])]);
        tokio::join!(alone.read(question()), alone.read(question()));
        let counted: Vec<_> = alone.service.stats().fallbacks().collect();
        let expected = |cause| (cause, u64::from(cause == FallbackCause::Provider(kind)));
        assert_eq!(
            counted,
            FallbackCause::all().map(expected).collect::<Vec<_>>()
        );
    }
}

/// Before the first text, two providers: nobody notices but by the time it takes.
#[tokio::test(start_paused = true)]
async fn every_failure_of_the_first_provider_is_hidden_by_the_second() {
    for kind in FailureKind::ALL.iter().copied() {
        let (first, second) = (
            Writer::new("a", [failing("", kind)]),
            Writer::new("b", [good()]),
        );
        let alone = Alone::new(&[&first, &second]);
        let reading = alone.read(question()).await;
        assert_eq!(
            (reading.text.as_str(), reading.done.source),
            (TEXT, TipSource::Ai)
        );
        assert_eq!((reading.resets.len(), second.calls()), (0, 1), "{kind:?}");
        alone.settle().await;
        assert_eq!(alone.store.tips()[0].provider, "b");
    }
}

/// After the first text: it begins once more where that may help, else another text comes.
#[tokio::test(start_paused = true)]
async fn a_failure_after_text_restarts_once_where_that_may_help() {
    for kind in FailureKind::ALL.iter().copied() {
        let writer = Writer::new("a", [failing("Say g", kind), good()]);
        let alone = Alone::new(&[&writer]);
        let reading = alone.read(question()).await;
        let (text, resets) = if kind.is_worth_retrying() {
            (TEXT, [ResetCause::Restart])
        } else {
            (STATIC, [ResetCause::Fallback])
        };
        assert_eq!(
            (reading.text.as_str(), reading.resets.as_slice()),
            (text, &resets[..])
        );
        alone.settle().await;
        assert!(
            alone.store.tips().iter().all(|tip| tip.text == TEXT),
            "{kind:?}"
        );
    }
}

/// After the first text, and again after the first text.
#[tokio::test(start_paused = true)]
async fn a_provider_that_never_gets_to_the_end_is_asked_twice_and_nothing_is_kept() {
    for kind in FailureKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.is_worth_retrying())
    {
        let writer = Writer::new("a", [failing("Say g", kind)]);
        let alone = Alone::new(&[&writer]);
        let reading = alone.read(question()).await;
        assert_eq!(reading.resets, [ResetCause::Restart, ResetCause::Fallback]);
        assert_eq!((reading.text.as_str(), writer.calls()), (STATIC, 2));
        alone.settle().await;
        assert_eq!(alone.store.tips(), []);
        assert_eq!(alone.read(question()).await.text, STATIC, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_word_counts_as_truncated_and_one_without_text_as_empty() {
    for (script, kind) in [
        (
            vec![Act::Say("Say".to_owned()), Act::Vanish],
            FailureKind::Truncated,
        ),
        (vec![Act::Vanish], FailureKind::Truncated),
        (vec![Act::End], FailureKind::Empty),
        (
            vec![Act::Say(" \n".to_owned()), Act::End],
            FailureKind::Empty,
        ),
    ] {
        let alone = Alone::new(&[&Writer::new("a", [script])]);
        let reading = alone.read(question()).await;
        assert_eq!(reading.done.fallback, Some(FallbackCause::Provider(kind)));
        alone.settle().await;
        assert_eq!(alone.store.tips(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_left_after_the_time_limit() {
    for script in [vec![Act::Hang], vec![Act::Say("Say".to_owned()), Act::Hang]] {
        let writer = Writer::new("a", [script]);
        let alone = Alone::new(&[&writer]);
        let reading = alone.read(question()).await;
        assert_eq!(reading.done.fallback, Some(FallbackCause::TimedOut));
        assert_eq!(reading.ended_at - reading.times[0], Duration::from_mins(1));
        assert_eq!((writer.calls(), writer.under_way()), (1, 0));
    }
}

/// What breaks the rules is cut off before what would complete it, also at the very end.
#[tokio::test(start_paused = true)]
async fn what_breaks_the_rules_never_reaches_a_reader_and_is_not_tried_again() {
    for text in ["Look at www.example.com/tips", "Look at evil.example"] {
        let said: Vec<String> = text.chars().map(String::from).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let writer = Writer::new("a", [spoken(&said, PAUSE)]);
        let alone = Alone::new(&[&writer]);
        let reading = alone.read(question()).await;
        assert_eq!(reading.resets, [ResetCause::Fallback]);
        assert_eq!(reading.done.fallback, Some(FallbackCause::Rules));
        assert_eq!((reading.text.as_str(), writer.calls()), (STATIC, 1));
        alone.settle().await;
        assert_eq!(alone.store.tips(), []);
    }
}

/// However its white space was sent, a tip is read, kept and named by its hash in one shape.
#[tokio::test(start_paused = true)]
async fn a_tip_is_read_and_kept_with_white_space_of_one_shape() {
    let said = ["\r\nBreathe.\r", "\n\r\n\r\n\tSay hello.", " \t\n", "\n\n"];
    let alone = Alone::new(&[&Writer::new("a", [spoken(&said, PAUSE)])]);
    let reading = alone.read(question()).await;
    assert_eq!(reading.text, "Breathe.\n\n Say hello.");
    assert_eq!(reading.resets, []);
    alone.settle().await;
    assert_eq!(alone.store.tips()[0].text, reading.text);
}

#[tokio::test(start_paused = true)]
async fn a_text_beyond_the_cap_is_not_a_tip() {
    let endless = (0..10_000).map(|_| Act::Say("and on ".to_owned()));
    let alone = Alone::new(&[&Writer::new("a", [endless.collect()])]);
    let reading = alone.read(question()).await;
    let cut_off = FallbackCause::Provider(FailureKind::CutOff);
    assert_eq!(reading.done.fallback, Some(cut_off));
}

/// The pause that a provider asks for is kept, and so are our own.
#[tokio::test(start_paused = true)]
async fn no_request_comes_before_the_provider_said_it_may() {
    let limited = Act::Fail(WriteFailure {
        retry_after: Some(Duration::from_secs(7)),
        ..WriteFailure::new(FailureKind::RateLimited)
    });
    let writer = Writer::new("a", [vec![limited], good()]);
    let alone = Alone::new(&[&writer]);
    assert_eq!(alone.read(question()).await.text, TEXT);
    let requests = writer.requests();
    assert!(requests[1] - requests[0] >= Duration::from_secs(7));
    assert!(requests[1] - requests[0] < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn an_older_tip_goes_before_the_static_one() {
    let writer = Writer::new("a", [failing("Say g", FailureKind::Refused)]);
    let alone = Alone::new(&[&writer]);
    alone.store.put_older("An older one.");
    let mut strict = question();
    strict.no_static_fallback = true;
    for request in [question(), strict] {
        let reading = alone.read(request).await;
        assert_eq!(
            (reading.text.as_str(), reading.done.source),
            ("An older one.", TipSource::Stale)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_static_tip_gets_an_error_that_says_whether_to_try_again() {
    for (kind, is_declined) in [
        (FailureKind::Refused, true),
        (FailureKind::Overloaded, false),
    ] {
        let alone = Alone::new(&[&Writer::new("a", [failing("Say g", kind)])]);
        let mut strict = question();
        strict.no_static_fallback = true;
        let (strict, other) = tokio::join!(alone.try_read(strict), alone.read(question()));
        let refusal = strict.unwrap_err();
        assert_eq!(matches!(refusal, Error::Declined), is_declined);
        assert_eq!(matches!(refusal, Error::Unavailable { .. }), !is_declined);
        assert_eq!(other.text, STATIC);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tip_that_just_failed_is_tried_again_after_a_while_and_not_before() {
    let writer = Writer::new("a", [failing("", FailureKind::Refused), good()]);
    let alone = Alone::new(&[&writer]);
    alone.read(question()).await;
    tokio::time::advance(Duration::from_secs(14)).await;
    assert_eq!(alone.read(question()).await.text, STATIC);
    assert_eq!(writer.calls(), 1);
    tokio::time::advance(Duration::from_secs(46)).await;
    assert_eq!(alone.read(question()).await.text, TEXT);
}

/// On this side: what is recorded is what the provider reported.
#[tokio::test(start_paused = true)]
async fn the_ledger_holds_what_the_provider_told() {
    let writer = Writer::new("a", [good()]);
    let alone = Alone::new(&[&writer]);
    let reading = alone.read(question()).await;
    alone.settle().await;
    let record = alone.store.records().pop().unwrap();
    assert_eq!(Some(record.usage), reading.done.usage);
    assert_eq!(
        (record.cost_micro_usd, record.usage.is_estimated),
        (COST, false)
    );
}
