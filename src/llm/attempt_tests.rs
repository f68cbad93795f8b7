use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{
    TimeLimits, anthropic::MessageDecoder, attempt::read, protocol_error::ProtocolError,
    thoughts::ThinkingHabit, timing::Deadlines, usage_counter::UsageCounter,
};
use crate::domain::{FailureKind, Prompt, StreamEvent, WriteFailure};

const LIMITS: TimeLimits = TimeLimits {
    connect: Duration::from_secs(1),
    first_text: Duration::from_secs(10),
    idle: Duration::from_secs(6),
    text_idle: Duration::from_secs(20),
    total: Duration::from_mins(1),
};

const WHOLE: &str = "\u{FEFF}: hello\r\nevent: message_start\r\n\
    data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":9}}}\r\n\r\n\
    event: from_the_future\ndata: {\"type\":\"from_the_future\"}\n\n\
    data: {\"type\":\"content_block_delta\",\"index\":0,\rdata: \"delta\":{\"type\":\"text_delta\",\"text\":\"Gr\u{FC}\u{DF} \"}}\r\r\
    data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"dich \u{1F642}.\"}}\n\n\
    data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\n\
    data: {\"type\":\"message_stop\"}\n\nthis is not read any more";

fn attempt(
    body: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
) -> impl Stream<Item = Result<StreamEvent, WriteFailure>> {
    let prompt = Prompt {
        system: String::new(),
        user: "1234".to_owned(),
    };
    let decoder = MessageDecoder::new(
        UsageCounter::of(&prompt, &ThinkingHabit::default()),
        "m".to_owned(),
    );
    let deadlines = Deadlines::from_now(LIMITS);
    read(body, LIMITS, deadlines, decoder, Some("req_1".to_owned()))
}

fn text_of(writings: &[Result<StreamEvent, WriteFailure>]) -> String {
    let texts = writings.iter().filter_map(|writing| match writing {
        Ok(StreamEvent::Text(text)) => Some(text.as_str()),
        Ok(
            StreamEvent::Accepted { .. }
            | StreamEvent::TakenBack
            | StreamEvent::Alive
            | StreamEvent::Ended(_),
        )
        | Err(_) => None,
    });
    texts.collect()
}

/// How an attempt fails, and after how many seconds.
async fn failure(
    body: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
) -> (WriteFailure, u64) {
    let started = Instant::now();
    let mut writings: Vec<_> = attempt(body).collect().await;
    let failure = writings.pop().unwrap().unwrap_err();
    assert!(
        writings.iter().all(Result::is_ok),
        "one failure, at the end"
    );
    (failure, started.elapsed().as_secs())
}

fn text(text: &str) -> Bytes {
    let delta = r#""delta":{"type":"text_delta","text":""#;
    let event = format!(r#"{{"type":"content_block_delta","index":0,{delta}{text}"}}}}"#);
    Bytes::from(format!("data: {event}\n\n"))
}

/// The same chunk again and again, this many seconds apart.
fn every(secs: u64, chunk: Bytes) -> impl Stream<Item = Result<Bytes, ProtocolError>> + Send {
    stream::repeat(chunk).then(move |chunk| async move {
        sleep(Duration::from_secs(secs)).await;
        Ok(chunk)
    })
}

#[tokio::test]
async fn any_split_of_the_bytes_gives_the_same_tip() {
    let bytes = WHOLE.as_bytes();
    for size in 1..=bytes.len() {
        let pieces: Vec<_> = bytes
            .chunks(size)
            .map(Bytes::copy_from_slice)
            .map(Ok)
            .collect();
        let writings: Vec<_> = attempt(stream::iter(pieces)).collect().await;
        assert_eq!(
            text_of(&writings),
            "Gr\u{FC}\u{DF} dich \u{1F642}.",
            "{size}"
        );
        assert!(
            matches!(writings.last(), Some(Ok(StreamEvent::Ended(_)))),
            "{size}"
        );
        let accepted = writings.iter().find_map(|writing| match writing {
            Ok(StreamEvent::Accepted { attempt_id, .. }) => attempt_id.as_deref(),
            Ok(
                StreamEvent::Text(_)
                | StreamEvent::TakenBack
                | StreamEvent::Alive
                | StreamEvent::Ended(_),
            )
            | Err(_) => None,
        });
        assert_eq!(accepted, Some("req_1"), "the header's name wins");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_nothing_is_read_or_waited_for() {
    let body = stream::iter([Ok(Bytes::from_static(WHOLE.as_bytes()))]);
    let writings: Vec<_> = attempt(body.chain(stream::pending())).collect().await;
    assert!(matches!(writings.last(), Some(Ok(StreamEvent::Ended(_)))));
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_stand_for_the_first_text() {
    let pings = every(2, Bytes::from_static(b"data: {\"type\":\"ping\"}\n\n"));
    let (failure, secs) = failure(pings).await;
    assert_eq!((failure.kind, secs), (FailureKind::TooSlow, 10));
    assert_eq!(failure.detail, "no text in time");
    assert_eq!(failure.attempt_id.as_deref(), Some("req_1"));
}

#[tokio::test(start_paused = true)]
async fn nor_do_they_stand_for_the_next() {
    let pings = every(2, Bytes::from_static(b": ping\n\n"));
    let (failure, secs) = failure(stream::iter([Ok(text("Hi"))]).chain(pings)).await;
    assert_eq!((failure.kind, secs), (FailureKind::TooSlow, 20));
    assert_eq!(failure.usage.output_tokens, 1, "what was seen is counted");
    assert!(failure.usage.is_estimated);
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_sooner() {
    let (failure, secs) = failure(stream::iter([Ok(text("Hi"))]).chain(stream::pending())).await;
    assert_eq!((failure.kind, secs), (FailureKind::TooSlow, 6));
}

#[tokio::test(start_paused = true)]
async fn text_that_drips_for_ever_is_ended_by_the_limit_for_all() {
    let (failure, secs) = failure(every(5, text("x"))).await;
    assert_eq!((failure.kind, secs), (FailureKind::TooSlow, 60));
}

#[tokio::test]
async fn a_body_that_breaks_is_truncated_and_its_text_was_passed_on() {
    let broken = Err(ProtocolError::new(FailureKind::Truncated, "reset"));
    let writings: Vec<_> = attempt(stream::iter([Ok(text("Hi")), broken]))
        .collect()
        .await;
    assert_eq!(text_of(&writings), "Hi");
    let failure = writings.last().unwrap().as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Truncated);
}

/// All bytes up to the event that says why it stopped, and then something that is no good.
fn stopped_then(
    rest: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, ProtocolError>> + Send {
    let stopped = WHOLE
        .split_inclusive("\n\n")
        .take_while(|event| !event.contains("_stop\""));
    let stopped: String = stopped.collect();
    assert!(stopped.contains("end_turn"));
    stream::iter([Ok(Bytes::from(stopped))]).chain(rest)
}

#[tokio::test(start_paused = true)]
async fn after_the_reason_to_stop_nothing_that_breaks_costs_the_tip() {
    let chunk = |bytes: &'static [u8]| Ok(Bytes::from_static(bytes));
    let broken = || Err(ProtocolError::new(FailureKind::Truncated, "reset"));
    for rest in [
        vec![],
        vec![broken()],
        vec![
            chunk(b"event: message_stop\ndata: {\"type\":\"mess"),
            broken(),
        ],
        vec![chunk(b"data: {\"type\":\n\n")],
        vec![chunk(b"data: [DONE]\n\n")],
        vec![chunk(b"data: \xC3\x28\n\n")],
    ] {
        let writings: Vec<_> = attempt(stopped_then(stream::iter(rest))).collect().await;
        assert_eq!(text_of(&writings), "Gr\u{FC}\u{DF} dich \u{1F642}.");
        let ending = writings.last().unwrap().as_ref().unwrap();
        let StreamEvent::Ended(ending) = ending else {
            panic!("{ending:?}");
        };
        assert!(ending.usage.output_tokens == 4 && !ending.usage.is_estimated);
    }
    let silent = attempt(stopped_then(stream::pending()));
    let writings: Vec<_> = silent.collect().await;
    assert!(matches!(writings.last(), Some(Ok(StreamEvent::Ended(_)))));
}

#[tokio::test]
async fn an_error_after_the_reason_to_stop_is_one_all_the_same() {
    let error = b"data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let rest = stream::iter([Ok(Bytes::from_static(error))]);
    let (failure, _) = failure(stopped_then(rest)).await;
    assert_eq!(failure.kind, FailureKind::Overloaded);
}
