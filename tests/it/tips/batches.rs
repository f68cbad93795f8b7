//! `StreamTipsBatch`: many tips in one stream.
use std::{collections::HashMap, time::Duration};

use challenges_catalog::pb::catalog::v1::{
    Difficulty, ErrorReason, StreamTipsBatchRequest, StreamTipsBatchResponse, TipFailure,
    stream_tips_batch_response::Result as Outcome, stream_tips_response::Event,
};
use tonic::{Code, Streaming};

use super::provider::{TIP, finish, gated, quick, replica_of};
use crate::support::{fleet::list, replica::Replica};

/// What became of each challenge.
#[derive(Debug, Default)]
struct Heard {
    texts: HashMap<String, String>,
    whole: Vec<String>,
    failures: Vec<TipFailure>,
}

async fn hear(replica: &Replica, request: StreamTipsBatchRequest) -> Heard {
    let mut client = replica.client().await;
    let stream = client.stream_tips_batch(request).await;
    listen(stream.unwrap().into_inner()).await
}

async fn listen(mut stream: Streaming<StreamTipsBatchResponse>) -> Heard {
    let mut heard = Heard::default();
    while let Some(message) = stream.message().await.unwrap() {
        let id = message.challenge_id;
        match message.result.unwrap() {
            Outcome::Failure(failure) => heard.failures.push(failure),
            Outcome::Tip(tip) => match tip.event.unwrap() {
                Event::Delta(delta) => heard.texts.entry(id).or_default().push_str(&delta.text),
                Event::Done(_) => heard.whole.push(id),
                Event::Accepted(_) | Event::Reset(_) | Event::Heartbeat(_) => {}
            },
        }
    }
    heard
}

/// All challenges of the seeded catalog.
async fn everything(replica: &Replica) -> StreamTipsBatchRequest {
    let all = list(replica, Difficulty::Unspecified, 100).await.unwrap();
    let ids = all.challenges.into_iter().map(|challenge| challenge.id);
    StreamTipsBatchRequest {
        challenge_ids: ids.collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn each_challenge_of_a_batch_gets_its_tip_and_its_end() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let asked = everything(&replica).await;
    let mut heard = hear(&replica, asked.clone()).await;
    let mut ids = asked.challenge_ids;
    ids.sort_unstable();
    heard.whole.sort_unstable();
    assert_eq!(heard.whole, ids);
    assert!(heard.texts.values().all(|text| text == TIP));
    assert_eq!(provider.exchanges().len(), ids.len());
}

#[tokio::test]
async fn no_more_than_eight_tips_of_a_batch_are_requested_at_a_time() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let interval = Duration::from_millis(100);
    let asked = StreamTipsBatchRequest {
        heartbeat_interval: prost_types::Duration::try_from(interval).ok(),
        ..everything(&replica).await
    };
    let count = asked.challenge_ids.len();
    let mut client = replica.client().await;
    let stream = client.stream_tips_batch(asked).await;
    let mut stream = stream.unwrap().into_inner();
    let mut beats = HashMap::<_, usize>::new();
    // Each that is under way was silent for three intervals: a ninth would have been requested.
    while beats.len() < 8 || beats.values().any(|beats| *beats < 3) {
        let message = stream.message().await.unwrap().unwrap();
        if let Some(Outcome::Tip(tip)) = message.result
            && let Some(Event::Heartbeat(_)) = tip.event
        {
            *beats.entry(message.challenge_id).or_default() += 1;
        }
    }
    assert_eq!((beats.len(), provider.exchanges().len()), (8, 8));
    (0..count).for_each(|_| finish(&provider));
    assert_eq!(listen(stream).await.whole.len(), count);
}

#[tokio::test]
async fn a_challenge_that_gets_no_tip_fails_by_itself_and_the_batch_ends_well() {
    let replica = Replica::start(&[]).await;
    let asked = StreamTipsBatchRequest {
        no_static_fallback: true,
        ..everything(&replica).await
    };
    let heard = hear(&replica, asked.clone()).await;
    assert_eq!(heard.failures.len(), asked.challenge_ids.len());
    for failure in heard.failures {
        assert_eq!(failure.code, i32::from(Code::FailedPrecondition));
        assert_eq!(failure.reason(), ErrorReason::NoTipsProvider);
        assert_eq!(failure.retry_delay, None, "a retry would not help");
    }
}
