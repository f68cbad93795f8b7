//! What the switch of the tips does, and that of the catalog to streams that run.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, TipDone, TipFallback, TipMode, TipSource,
    challenges_catalog_client::ChallengesCatalogClient, stream_tips_response::Event,
};
use serde_json::json;
use tonic::{Code, Request, Status, transport::Channel};

use super::client::{get, set_flag, update};
use crate::support::{
    fleet::Fleet,
    llmock::{self, Llmock},
    refusal::Refusal,
    replica::Replica,
    wait::eventually,
};

pub const TIP: &str = "Take a breath, smile, and say hello. You can do this.";
/// Challenges of the seeded catalog.
pub const FIRST: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";
const SECOND: &str = "191ad588-7974-4e21-931d-5746129bc421";

async fn with_provider() -> (Llmock, Replica) {
    let server = llmock::start();
    let settings = [
        ("ANTHROPIC_API_KEY", "key".to_owned()),
        ("ANTHROPIC_BASE_URL", server.anthropic_url()),
    ];
    let replica = Replica::start(&settings).await;
    (server, replica)
}

/// Asks as `caller`, and reads to the end.
async fn ask(
    client: &mut ChallengesCatalogClient<Channel>,
    challenge: &str,
    caller: &str,
    mode: TipMode,
) -> Result<TipDone, Status> {
    let mut request = Request::new(StreamTipsRequest {
        challenge_id: challenge.to_owned(),
        mode: mode.into(),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert("x-caller-id", caller.parse().unwrap());
    answer(client, request).await
}

/// Asks, and reads to the end.
pub async fn answer(
    client: &mut ChallengesCatalogClient<Channel>,
    request: Request<StreamTipsRequest>,
) -> Result<TipDone, Status> {
    let mut stream = client.stream_tips(request).await?.into_inner();
    let mut last = None;
    while let Some(message) = stream.message().await? {
        last = message.event;
    }
    let Some(Event::Done(done)) = last else {
        panic!("a stream ends with done, not with {last:?}");
    };
    Ok(done)
}

#[tokio::test]
async fn while_tips_are_off_what_is_there_is_given_and_no_provider_is_asked() {
    let (server, replica) = with_provider().await;
    let mut client = replica.client().await;
    server.next(&json!({"type": "reply", "text": TIP}));
    let written = ask(&mut client, FIRST, "ann", TipMode::Unspecified)
        .await
        .unwrap();
    assert_eq!(written.source(), TipSource::Ai);
    let before = server.requests().len();
    set_flag(&replica, "ai_tips", false).await;
    for mode in [TipMode::Unspecified, TipMode::Refresh] {
        let kept = ask(&mut client, FIRST, "ann", mode).await.unwrap();
        assert_eq!(
            (kept.source(), kept.fallback()),
            (TipSource::Cache, TipFallback::Unspecified)
        );
        let other = ask(&mut client, SECOND, "ann", mode).await.unwrap();
        assert_eq!(
            (other.source(), other.fallback()),
            (TipSource::Static, TipFallback::SwitchedOff)
        );
    }
    assert_eq!(server.requests().len(), before);
    set_flag(&replica, "ai_tips", true).await;
    server.next(&json!({"type": "reply", "text": TIP}));
    let written = ask(&mut client, SECOND, "ann", TipMode::Unspecified)
        .await
        .unwrap();
    assert_eq!(written.source(), TipSource::Ai);
}

#[tokio::test]
async fn a_rollout_is_for_the_same_callers_whenever_they_ask() {
    let (server, replica) = with_provider().await;
    let mut client = replica.client().await;
    let mut half = super::client::switch("ai_tips", true);
    half.rollout_percentage = Some(50);
    update(&replica, half).await.unwrap();
    server.next(&json!({"type": "reply", "text": TIP, "times": 100}));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut inside = Vec::new();
        for n in 0..24 {
            let caller = format!("caller-{n}");
            // A tip of its own for each: what one had written, all would get.
            let done = ask(&mut client, FIRST, &caller, TipMode::Refresh)
                .await
                .unwrap();
            inside.push(done.source() == TipSource::Ai);
        }
        seen.push(inside);
    }
    assert_eq!(seen[0], seen[1]);
    let count = seen[0].iter().filter(|inside| **inside).count();
    assert!((1..24).contains(&count), "{count} of 24");
}

/// Three replicas without a budget for their provider: the fallback cause shows who is inside a rollout and who is
/// outside, and nobody waits for a text.
async fn with_nothing_to_pay() -> Fleet {
    let settings = [
        ("ANTHROPIC_API_KEY", "key"),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:1"),
        ("CATALOG_TIP_DAILY_BUDGET", "1"),
    ];
    Fleet::start_with(3, &settings).await
}

/// Which of forty callers are inside, by one replica's word.
async fn inside(replica: &Replica) -> Vec<String> {
    let mut client = replica.client().await;
    let mut inside = Vec::new();
    for n in 0..40 {
        let caller = format!("caller-{n}");
        let done = ask(&mut client, FIRST, &caller, TipMode::Refresh).await;
        let cause = done.unwrap().fallback();
        if cause == TipFallback::Budget {
            inside.push(caller);
        } else {
            assert_eq!(cause, TipFallback::SwitchedOff, "{caller}");
        }
    }
    inside
}

/// Lets so many of the callers have tips written, and waits until every replica knows.
async fn roll_out(fleet: &Fleet, percentage: i32) {
    let mut request = super::client::switch("ai_tips", true);
    request.rollout_percentage = Some(percentage);
    update(&fleet.replicas[0], request).await.unwrap();
    for replica in &fleet.replicas {
        eventually("it heard of it", Duration::from_secs(2), async || {
            get(replica, "ai_tips").await.rollout_percentage == percentage
        })
        .await;
    }
}

#[tokio::test]
async fn all_replicas_agree_on_who_is_inside_a_rollout() {
    let fleet = with_nothing_to_pay().await;
    roll_out(&fleet, 50).await;
    let by_first = inside(&fleet.replicas[0]).await;
    assert!((1..40).contains(&by_first.len()), "{by_first:?}");
    for other in &fleet.replicas[1..] {
        assert_eq!(inside(other).await, by_first);
    }
}

#[tokio::test]
async fn nobody_falls_out_of_a_rollout_that_grows() {
    let fleet = with_nothing_to_pay().await;
    roll_out(&fleet, 30).await;
    let before = inside(&fleet.replicas[1]).await;
    roll_out(&fleet, 60).await;
    let after = inside(&fleet.replicas[2]).await;
    assert!(
        !before.is_empty() && before.len() < after.len() && after.len() < 40,
        "{before:?} {after:?}"
    );
    let lost: Vec<_> = before.iter().filter(|one| !after.contains(one)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn a_stream_that_runs_ends_with_the_reason_when_the_catalog_is_switched_off() {
    let (server, replica) = with_provider().await;
    let mut client = replica.client().await;
    server.next(&json!({"type": "reply", "text": TIP}));
    let stall =
        json!({"type": "stream_fault", "kind": "stall", "after_chunks": 3, "stall_seconds": 60});
    server.next(&stall);
    let request = StreamTipsRequest {
        challenge_id: FIRST.to_owned(),
        ..Default::default()
    };
    let mut stream = client.stream_tips(request).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("it was accepted");
    set_flag(&replica, "challenges_catalog", false).await;
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    let disabled = Refusal::new(Code::Unavailable, "FEATURE_DISABLED", &[]);
    assert_eq!(Refusal::from(status), disabled);
    let next = ask(&mut client, FIRST, "ann", TipMode::Unspecified)
        .await
        .unwrap_err();
    assert_eq!(Refusal::from(next), disabled);
}
