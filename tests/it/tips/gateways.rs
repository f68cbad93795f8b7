//! What gateways make of an answer, seen by readers, the ledger and whoever keeps tips.
use std::time::Duration;

use challenges_catalog::domain::{ResetCause, TipSource};
use serde_json::json;

use super::{
    fixtures::{STATIC, question},
    replica::{Alone, provider, settings},
    writer::{Act, Writer, spoken},
};
use crate::{
    llm::fixture::{self, BOTH, Protocol, answer, events},
    support::scripted::{self, Scripted},
};

const PAUSE: Duration = Duration::from_millis(20);

/// A tip service with a provider that answers as the script says.
async fn ordering(protocol: Protocol, script: scripted::Act) -> (Scripted, Alone) {
    let server = Scripted::playing(vec![script]).await;
    let mut provider = provider(&Writer::new("a", [vec![]]));
    provider.writer = protocol.writer(&fixture::settings(&server.url()));
    let alone = Alone::with(settings(), vec![provider]);
    (server, alone)
}

#[tokio::test]
async fn a_bad_request_is_not_made_again_however_the_gateway_says_so() {
    let error = json!({"error": {"message": "x", "type": "None", "code": "400"}}).to_string();
    for protocol in BOTH {
        for script in [
            answer("400 Bad Request", "", &error),
            answer("200 OK", "content-type: application/json\r\n", &error),
            events(format!("data: {error}\n\n")),
        ] {
            let (server, alone) = ordering(protocol, script.clone()).await;
            assert_eq!(alone.read(question()).await.text, STATIC);
            assert_eq!(server.exchanges().len(), 1, "{script:?}");
        }
    }
}

#[tokio::test]
async fn thoughts_are_not_kept_and_cost_one_request() {
    for protocol in BOTH {
        for thoughts in ["<think>Why?</think>", "Why?</think>"] {
            let body = protocol.text(&[thoughts, "Be kind."]) + &protocol.good_end();
            let (server, alone) = ordering(protocol, events(body)).await;
            assert_eq!(alone.read(question()).await.text, "Be kind.");
            alone.settle().await;
            assert_eq!(alone.store.tips()[0].text, "Be kind.");
            assert_eq!(server.exchanges().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_cost_that_is_told_as_zero_is_booked_as_an_estimate() {
    for protocol in BOTH {
        let body = protocol.text(&["Be kind."]) + &protocol.good_end();
        let zero = ["9", "5", "1"].iter().fold(body, |body, told| {
            body.replace(&format!("_tokens\":{told}"), "_tokens\":0")
        });
        let (_server, alone) = ordering(protocol, events(zero)).await;
        assert_eq!(alone.read(question()).await.text, "Be kind.");
        alone.settle().await;
        let record = alone.store.records().pop().unwrap();
        assert!(
            record.usage.is_estimated && record.cost_micro_usd > 0,
            "{record:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn text_that_its_writer_takes_back_is_taken_back_from_readers() {
    let mut script = spoken(&["Why not? "], PAUSE);
    script.splice(2.., [Act::Pause(PAUSE), Act::TakeBack]);
    script.extend(spoken(&["Be ", "kind."], PAUSE));
    let writer = Writer::new("a", [script]);
    let alone = Alone::new(&[&writer]);
    let reading = alone.read(question()).await;
    assert_eq!(
        (reading.text.as_str(), reading.done.source),
        ("Be kind.", TipSource::Ai)
    );
    assert_eq!(
        (reading.resets.as_slice(), writer.calls()),
        (&[ResetCause::Restart][..], 1)
    );
    alone.settle().await;
    assert_eq!(alone.store.tips()[0].text, "Be kind.");
    assert_eq!(alone.store.outcomes(), ["success"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_ends_in_the_middle_of_a_sentence_is_kept_for_minutes() {
    for (text, keep) in [
        ("Be kind.", settings().ttl),
        ("Be kind, and then", Duration::from_mins(10)),
    ] {
        let writer = Writer::new("a", [spoken(&[text], PAUSE)]);
        let alone = Alone::new(&[&writer]);
        assert_eq!(alone.read(question()).await.text, text);
        alone.settle().await;
        let tip = alone.store.tips().pop().unwrap();
        assert_eq!(tip.created_at.plus(keep), tip.expires_at, "{text}");
        tokio::time::advance(keep).await;
        alone.read(question()).await;
        assert_eq!(writer.calls(), 2, "{text}");
    }
}
