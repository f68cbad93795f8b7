//! One replica, no Redis, the runtime's own time.
use std::time::Duration;

use challenges_catalog::{
    domain::{
        Asker, CallerId, Error, FailureKind, FallbackCause, TipMode, TipRole, TipSource,
        TipStreams, generic_tip,
    },
    tips::{Abandoned, CallerLimits, TipSettings},
};
use futures_util::{StreamExt, future::join_all};
use tokio::time::{Instant, advance, sleep};

use super::{
    fixtures::{STATIC, question, question_about},
    reader_probe::{read, read_on},
    replica::{Alone, provider, settings},
    writer::{Act, Writer, failing, gated, spoken},
};

const PIECES: [&str; 5] = ["Geh hin,", " sag", " „Hallo“", " und", " lächle. 👋"];
const TEXT: &str = "Geh hin, sag „Hallo“ und lächle. 👋";
const PAUSE: Duration = Duration::from_millis(20);

/// Within one replica: readers who come at any moment, one request, one text.
#[tokio::test(start_paused = true)]
async fn a_thousand_readers_at_any_moment_cost_one_request_and_get_one_text() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    let readings = join_all((0..1_000).map(async |number| {
        // From before the request to after the end.
        sleep(Duration::from_micros(number * 150)).await;
        alone.read(question()).await
    }))
    .await;
    assert_eq!(writer.calls(), 1);
    assert!(readings.iter().all(|reading| reading.text == TEXT));
    let leaders = readings
        .iter()
        .filter(|reading| reading.role == TipRole::Leader);
    assert_eq!(leaders.count(), 1);
    let replays = readings
        .iter()
        .filter(|reading| reading.source == TipSource::Cache);
    assert!(replays.count() > 100, "some came after the end");
    alone.settle().await;
    assert_eq!(alone.store.tips()[0].text, TEXT);
    assert_eq!(alone.store.outcomes(), ["success"]);
}

/// Every point at which a reader could have left leads to the rest, while it is written and after.
#[tokio::test(start_paused = true)]
async fn a_reader_resumes_from_every_point_of_a_run() {
    let writer = Writer::new("a", [gated(&PIECES)]);
    let alone = Alone::new(&[&writer]);
    let first = alone.read(question());
    let later = async {
        for _ in 0..PIECES.len() {
            writer.open(1);
            sleep(PAUSE).await;
        }
        writer.open(1);
    };
    let (first, ()) = tokio::join!(first, later);
    assert_eq!(first.points.len(), PIECES.len());
    for point in first.points {
        let mut again = question();
        again.resume = Some(point);
        let held = TEXT[..usize::try_from(point.offset).unwrap()].to_owned();
        let rest = read_on(held, alone.service.open(again)).await.unwrap();
        assert_eq!((rest.text.as_str(), rest.resets.len()), (TEXT, 0));
    }
}

/// A reader who never reads holds nobody up, and has all of it when it does.
#[tokio::test(start_paused = true)]
async fn a_reader_who_never_reads_slows_nobody() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    let mut stuck = alone.service.open(question());
    let accepted = stuck.next().await.unwrap();
    assert!(accepted.is_ok());
    let started = Instant::now();
    let other = alone.read(question()).await;
    assert_eq!(other.ended_at - started, PAUSE * 5);
    assert_eq!(other.text, TEXT);
    sleep(Duration::from_secs(10)).await;
    let delta = stuck.next().await.unwrap().unwrap();
    assert_eq!(
        delta.at.offset,
        TEXT.len() as u64,
        "it catches up in one event"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_one_reader_ends_its_stream_only() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    let mut hasty = question();
    hasty.deadline = (Instant::now() + PAUSE * 2).into_std();
    let (hasty, patient) = tokio::join!(alone.try_read(hasty), alone.read(question()));
    assert!(matches!(hasty, Err(Error::DeadlineExceeded)));
    assert_eq!((patient.text.as_str(), writer.calls()), (TEXT, 1));
}

/// What nobody reads is finished and kept.
#[tokio::test(start_paused = true)]
async fn an_abandoned_tip_is_finished_and_kept() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    let mut stream = alone.service.open(question());
    while stream.next().await.unwrap().unwrap().at.offset == 0 {}
    drop(stream);
    alone.settle().await;
    let replay = alone.read(question()).await;
    assert_eq!(
        (replay.text.as_str(), replay.source),
        (TEXT, TipSource::Cache)
    );
    assert_eq!(writer.calls(), 1);
}

/// By the other policy, and whenever it was a refresh, the request is dropped after the linger.
#[tokio::test(start_paused = true)]
async fn an_abandoned_tip_is_dropped_after_the_linger_if_it_is_to_be() {
    for (abandoned, mode) in [
        (Abandoned::Abort, TipMode::Default),
        (Abandoned::Finish, TipMode::Refresh),
    ] {
        for script in [vec![Act::Hang], vec![Act::Say("Geh".to_owned()), Act::Hang]] {
            let writer = Writer::new("a", [script]);
            let settings = TipSettings {
                abandoned,
                ..settings()
            };
            let alone = Alone::with(settings, vec![provider(&writer)]);
            let mut request = question();
            request.mode = mode;
            let mut stream = alone.service.open(request);
            let accepted = stream.next().await.unwrap();
            assert!(accepted.is_ok());
            sleep(PAUSE).await;
            drop(stream);
            sleep(Duration::from_millis(1_990)).await;
            assert_eq!(writer.under_way(), 1);
            sleep(Duration::from_millis(110)).await;
            assert_eq!(writer.under_way(), 0);
            alone.settle().await;
            assert_eq!(alone.store.outcomes(), ["aborted"]);
            let record = alone.store.records().pop().unwrap();
            assert!(record.usage.is_estimated && record.cost_micro_usd > 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_comes_back_within_the_linger_keeps_the_request_alive() {
    let writer = Writer::new("a", [gated(&PIECES)]);
    let settings = TipSettings {
        abandoned: Abandoned::Abort,
        ..settings()
    };
    let alone = Alone::with(settings, vec![provider(&writer)]);
    let mut stream = alone.service.open(question());
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    sleep(Duration::from_secs(1)).await;
    let again = alone.service.open(question());
    let (again, ()) = tokio::join!(read(again), async {
        sleep(Duration::from_secs(5)).await;
        writer.open(PIECES.len() + 1);
    });
    assert_eq!((again.text.as_str(), writer.calls()), (TEXT, 1));
}

/// A sign of life comes in every phase, and never later than asked for.
#[tokio::test(start_paused = true)]
async fn heartbeats_fill_every_silence() {
    let overloaded = failing("", FailureKind::Overloaded);
    let writer = Writer::new("a", [overloaded, spoken(&PIECES, Duration::from_secs(3))]);
    let alone = Alone::new(&[&writer]);
    let mut request = question();
    request.heartbeat = Some(Duration::from_secs(1));
    let reading = alone.read(request).await;
    let gaps = reading.times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().unwrap() <= Duration::from_millis(1_100));
    assert!(reading.heartbeats >= 10);
    assert_eq!(reading.text, TEXT);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_no_thicker_than_is_sensible() {
    let writer = Writer::new("a", [spoken(&["Hello."], Duration::from_secs(1))]);
    let alone = Alone::new(&[&writer]);
    let mut request = question();
    request.heartbeat = Some(Duration::ZERO);
    let heartbeats = alone.read(request).await.heartbeats;
    assert!((5..=10).contains(&heartbeats), "{heartbeats}");
}

#[tokio::test(start_paused = true)]
async fn without_a_provider_the_static_tip_comes_at_once() {
    let alone = Alone::new(&[]);
    let reading = alone.read(question()).await;
    assert_eq!(
        (reading.text.as_str(), reading.source),
        (STATIC, TipSource::Static)
    );
    assert_eq!(reading.done.fallback, Some(FallbackCause::NoProvider));
    let mut bare = question();
    bare.subject.static_tip = None;
    let generic = generic_tip(bare.subject.difficulty);
    assert_eq!(alone.read(bare).await.text, generic);
}

#[tokio::test(start_paused = true)]
async fn a_question_for_what_is_there_costs_no_request() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    let mut cached = question();
    cached.mode = TipMode::CachedOnly;
    let nothing = alone.read(cached.clone()).await;
    assert_eq!(nothing.done.fallback, Some(FallbackCause::NotCached));
    assert_eq!((nothing.text.as_str(), writer.calls()), (STATIC, 0));
    alone.read(question()).await;
    let kept = alone.read(cached).await;
    assert_eq!((kept.text.as_str(), kept.source), (TEXT, TipSource::Cache));
    let subject = question().subject;
    let cached = alone
        .service
        .cached(&subject, &question().locale, &question().persona)
        .await;
    assert_eq!(cached.unwrap().text, TEXT);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_has_the_tip_written_again_and_kept() {
    let writer = Writer::new("a", [spoken(&["old"], PAUSE), spoken(&["new"], PAUSE)]);
    let alone = Alone::new(&[&writer]);
    assert_eq!(alone.read(question()).await.text, "old");
    let mut refresh = question();
    refresh.mode = TipMode::Refresh;
    assert_eq!(alone.read(refresh).await.text, "new");
    assert_eq!(alone.read(question()).await.text, "new");
    assert_eq!(writer.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tip_past_its_time_is_written_again() {
    let writer = Writer::new("a", [spoken(&["old"], PAUSE), spoken(&["new"], PAUSE)]);
    let alone = Alone::new(&[&writer]);
    assert_eq!(alone.read(question()).await.text, "old");
    advance(settings().ttl).await;
    assert_eq!(alone.read(question()).await.text, "new");
}

#[tokio::test(start_paused = true)]
async fn another_replica_finds_in_the_store_what_was_written() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let alone = Alone::new(&[&writer]);
    alone.read(question()).await;
    alone.settle().await;
    let other = Alone::new(&[&writer]);
    for tip in alone.store.tips() {
        other.store.put(tip);
    }
    let reading = other.read(question()).await;
    assert_eq!(
        (reading.text.as_str(), reading.source),
        (TEXT, TipSource::Cache)
    );
    assert_eq!(writer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_held_to_its_limits_and_others_are_not() {
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let limits = CallerLimits {
        per_minute: 6,
        burst: 3,
        at_once: 2,
    };
    let settings = TipSettings {
        caller: limits,
        ..settings()
    };
    let alone = Alone::with(settings, vec![provider(&writer)]);
    let mut ben = question_about(8);
    ben.asker = Asker::Caller(CallerId("ben".to_owned()), None);
    let streams = tokio::join!(
        alone.try_read(question()),
        alone.try_read(question()),
        alone.try_read(question()),
        alone.try_read(ben),
    );
    assert!(streams.0.is_ok() && streams.1.is_ok() && streams.3.is_ok());
    assert!(
        matches!(streams.2, Err(Error::Exhausted { .. })),
        "a third at once"
    );
    assert!(alone.try_read(question()).await.is_ok());
    let refused = alone.try_read(question()).await.unwrap_err();
    let Error::Exhausted { retry_after, .. } = refused else {
        panic!("{refused}");
    };
    sleep(retry_after).await;
    assert!(alone.try_read(question()).await.is_ok());
}
