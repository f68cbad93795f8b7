//! `StreamTips` at one replica, through a real client.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, TipFallback, TipMode, TipPhase, TipResetCause, TipRole, TipSource,
    stream_tips_response::Event,
};
use tokio::time::timeout;
use tonic::Code;

use super::{
    provider::{PIECES, TIP, finish, gated, quick, replica_of},
    wire_stream::{
        CHALLENGE, OTHERS, ask, go_on, hear, hear_some, question, question_about, timed, try_hear,
        within,
    },
};
use crate::support::{
    refusal::{Refusal, refusal},
    replica::Replica,
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(10);

fn in_mode(mode: TipMode) -> StreamTipsRequest {
    StreamTipsRequest {
        mode: mode.into(),
        ..question()
    }
}

#[tokio::test]
async fn a_tip_comes_as_it_is_written_and_afterwards_it_is_there() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let mut client = replica.client().await;
    let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
    for piece in PIECES {
        provider.open(1);
        assert_eq!(
            hear_some(&mut stream).await,
            piece,
            "it comes before the next is written"
        );
    }
    provider.open(1);
    while stream.message().await.unwrap().is_some() {}

    for mode in [TipMode::Unspecified, TipMode::CachedOnly] {
        let kept = hear(&replica, in_mode(mode)).await;
        assert_eq!((kept.text.as_str(), kept.deltas), (TIP, 1));
        assert_eq!(
            (kept.role, kept.source),
            (TipRole::Replay, TipSource::Cache)
        );
        assert_eq!(kept.done.source(), TipSource::Cache);
        assert_eq!(
            (kept.done.model.as_str(), kept.done.stop_reason.as_str()),
            ("model-1-a", "end_turn")
        );
        assert_eq!(kept.done.usage.unwrap().input_tokens, 9);
        assert!(kept.done.create_time.is_some());
    }
    assert_eq!(provider.exchanges().len(), 1);
    finish(&provider);
    // While the one of before is being closed, its readers are joined.
    let written_anew = async {
        loop {
            let fresh = hear(&replica, in_mode(TipMode::Refresh)).await;
            if fresh.role == TipRole::Leader {
                break fresh;
            }
        }
    };
    let fresh = timeout(SOON, written_anew).await.unwrap();
    assert_eq!(fresh.done.source(), TipSource::Ai);
    assert_eq!((fresh.text.as_str(), provider.exchanges().len()), (TIP, 2));
}

#[tokio::test]
async fn without_a_provider_the_tip_of_a_person_comes_at_once_and_says_why() {
    let replica = Replica::start(&[]).await;
    let (hearing, took) = timed(hear(&replica, question())).await;
    assert!(hearing.text.contains("You are not performing"));
    assert_eq!(
        (hearing.role, hearing.source),
        (TipRole::Replay, TipSource::Static)
    );
    assert_eq!(hearing.done.fallback(), TipFallback::NoProvider);
    assert!(took < Duration::from_secs(1), "{took:?}");

    let strict = StreamTipsRequest {
        no_static_fallback: true,
        ..question()
    };
    let refused = refusal(try_hear(&replica, strict).await);
    assert_eq!(
        refused,
        Refusal::new(Code::FailedPrecondition, "NO_TIPS_PROVIDER", &[])
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_requested_for_who_wants_what_is_there() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let hearing = hear(&replica, in_mode(TipMode::CachedOnly)).await;
    assert_eq!(hearing.done.fallback(), TipFallback::NotCached);
    assert_eq!(
        (hearing.done.source(), provider.exchanges().len()),
        (TipSource::Static, 0)
    );
}

/// A caller goes on behind any event that it had; with a token that fits nothing it gets
/// all of the tip, after a reset.
#[tokio::test]
async fn a_stream_goes_on_behind_any_of_its_events() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let mut client = replica.client().await;
    let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
    let (mut held, mut tokens) = (String::new(), Vec::new());
    while let Some(message) = stream.message().await.unwrap() {
        if let Some(Event::Delta(delta)) = message.event {
            held.push_str(&delta.text);
        }
        tokens.push((held.clone(), message.resume_token));
        // Each piece is an event of its own: it comes when the one before was heard.
        provider.open(1);
    }
    assert_eq!(
        tokens.len(),
        1 + PIECES.len() + 1,
        "accepted, each piece, done"
    );
    let resume = |token: &[u8]| StreamTipsRequest {
        resume_token: token.to_vec(),
        ..question()
    };
    for (held, token) in &tokens {
        let rest = go_on(&replica, held, resume(token)).await;
        assert_eq!(rest.text, TIP);
        assert!(rest.resets.is_empty(), "{held}");
    }
    let (held, good) = tokens.last().unwrap();
    finish(&provider);
    let other = hear(&replica, question_about(OTHERS[0])).await;
    let foreign = other.tokens.last().unwrap().1.clone();
    let mut old = good.clone();
    old[40] ^= 1;
    let mut past_the_end = good.clone();
    past_the_end[48] += 1;
    for bad in [b"garbage".to_vec(), foreign, old, past_the_end] {
        let again = go_on(&replica, held, resume(&bad)).await;
        assert_eq!(
            (again.text.as_str(), &again.resets[..]),
            (TIP, &[TipResetCause::Resume][..])
        );
    }
    assert_eq!(provider.exchanges().len(), 2, "one for each challenge");
}

/// The time of one caller is no other's, and an abandoned tip is written to its end.
#[tokio::test]
async fn the_time_of_one_caller_ends_its_stream_and_no_other() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let patient = ask(replica.client().await, question());
    let hurried = async {
        eventually("it is requested", SOON, async || {
            provider.exchanges().len() == 1
        })
        .await;
        let hurried = within(Duration::from_millis(300), question());
        let (refused, took) = timed(ask(replica.client().await, hurried)).await;
        // The client may notice first, with a code of its own.
        let code = refused.unwrap_err().code();
        assert!(
            [Code::DeadlineExceeded, Code::Cancelled].contains(&code),
            "{code:?}"
        );
        assert!(
            (Duration::from_millis(250)..SOON).contains(&took),
            "{took:?}"
        );
        finish(&provider);
    };
    let (patient, ()) = tokio::join!(patient, hurried);
    assert_eq!(patient.unwrap().text, TIP);
}

#[tokio::test]
async fn no_stream_lasts_longer_than_the_server_lets_it() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[("CATALOG_STREAM_TIMEOUT", "400ms")]).await;
    let refused = refusal(try_hear(&replica, question()).await);
    let expected = Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", &[]);
    assert_eq!(refused, expected);
}

/// In every phase.
#[tokio::test]
async fn a_stream_that_waits_gives_signs_of_life_and_says_for_what() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let asked = StreamTipsRequest {
        heartbeat_interval: prost_types::Duration::try_from(Duration::from_millis(100)).ok(),
        ..question()
    };
    let mut client = replica.client().await;
    let mut stream = client.stream_tips(asked).await.unwrap().into_inner();
    for phase in [TipPhase::Connecting, TipPhase::Generating] {
        let mut beats = 0;
        while beats < 3 {
            let message = timeout(SOON, stream.message()).await.unwrap().unwrap();
            if let Some(Event::Heartbeat(beat)) = message.unwrap().event {
                beats += usize::from(beat.phase() == phase);
            }
        }
        provider.open(1);
    }
    finish(&provider);
    while stream.message().await.unwrap().is_some() {}
    let silent = StreamTipsRequest {
        heartbeat_interval: Some(prost_types::Duration::default()),
        challenge_id: CHALLENGE.to_owned(),
        ..Default::default()
    };
    assert!(hear(&replica, silent).await.phases.is_empty());
}
