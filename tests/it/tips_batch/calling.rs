//! Calls of `BatchGenerateTips`, and what they tell.
use std::{sync::Mutex, time::Duration};

use challenges_catalog::pb::admin::v1::{
    BatchGenerateTipsRequest, BatchGenerateTipsResponse, BatchGenerateTipsSummary, ChallengeIds,
    batch_generate_tips_request::Scope, tips_admin_client::TipsAdminClient,
};
use tokio::task::JoinSet;
use tonic::{Status, Streaming, transport::Channel};

use crate::support::{replica::Replica, wait::eventually};

/// Longer than a lease lasts.
const SOON: Duration = Duration::from_secs(30);

/// All challenges, as fast as may be.
pub fn all() -> BatchGenerateTipsRequest {
    BatchGenerateTipsRequest {
        scope: Some(Scope::All(true)),
        tips_per_minute: 600,
        ..Default::default()
    }
}

/// As [`all`], of these challenges only.
pub fn some(ids: &[&str]) -> BatchGenerateTipsRequest {
    BatchGenerateTipsRequest {
        scope: Some(Scope::Challenges(ChallengeIds {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        })),
        ..all()
    }
}

/// Begins a run.
pub async fn begin(
    replica: &Replica,
    request: BatchGenerateTipsRequest,
) -> Result<Streaming<BatchGenerateTipsResponse>, Status> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = TipsAdminClient::new(endpoint.connect().await.unwrap());
    let stream = admin.batch_generate_tips(request).await?;
    Ok(stream.into_inner())
}

/// Begins a run as soon as no other one is under way.
pub async fn begin_when_free(
    replica: &Replica,
    request: BatchGenerateTipsRequest,
) -> Streaming<BatchGenerateTipsResponse> {
    let begun = Mutex::new(None);
    eventually("the task is free", SOON, async || {
        let stream = begin(replica, request.clone()).await.ok();
        let is_begun = stream.is_some();
        *begun.lock().unwrap() = stream;
        is_begun
    })
    .await;
    begun.into_inner().unwrap().unwrap()
}

/// All that a run tells, checked for what holds for every run.
pub struct Told {
    pub messages: Vec<BatchGenerateTipsResponse>,
    pub summary: BatchGenerateTipsSummary,
}

/// Makes a run, and reads it to its end.
pub async fn generate(replica: &Replica, request: BatchGenerateTipsRequest) -> Told {
    let stream = begin(replica, request).await.unwrap();
    read(stream).await
}

/// Reads a run while the test goes on, until it breaks off.
pub fn drain_meanwhile(mut stream: Streaming<BatchGenerateTipsResponse>) -> JoinSet<()> {
    let mut task = JoinSet::new();
    task.spawn(async move { while let Ok(Some(_)) = stream.message().await {} });
    task
}

/// Reads a run to its end.
pub async fn read(mut stream: Streaming<BatchGenerateTipsResponse>) -> Told {
    let mut messages: Vec<BatchGenerateTipsResponse> = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        if let Some(before) = messages.last() {
            assert!(before.summary.is_none(), "nothing follows the summary");
            assert!(before.done <= message.done && before.total == message.total);
        }
        messages.push(message);
    }
    let last = messages.last().expect("a run tells something");
    let summary = last.summary.clone().expect("a run ends with a summary");
    let done = summary.written + summary.kept + summary.failed;
    assert_eq!((last.done, last.total), (done, done + summary.untried));
    assert!(summary.took.is_some());
    Told { messages, summary }
}
