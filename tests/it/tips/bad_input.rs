//! What is wrong with a question for tips is said at once, all of it, and costs no request.
use challenges_catalog::pb::catalog::v1::{StreamTipsBatchRequest, StreamTipsRequest};
use prost_types::Duration;
use tokio::time::timeout;
use tonic::{Code, Request, Status, metadata::MetadataValue};
use tonic_types::StatusExt;

use super::{
    provider::{quick, replica_of},
    wire_stream::{CHALLENGE, ask, question, question_about, try_hear},
};
use crate::support::{
    program,
    refusal::{Refusal, refusal},
    replica::Replica,
};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);
const UNKNOWN: [&str; 2] = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
];

async fn try_batch(replica: &Replica, ids: &[&str]) -> Result<(), Status> {
    let request = StreamTipsBatchRequest {
        challenge_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    let mut client = replica.client().await;
    let mut stream = client.stream_tips_batch(request).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn all_that_is_wrong_with_a_question_is_told_at_once() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let wrong = StreamTipsRequest {
        challenge_id: "beg-001".to_owned(),
        locale: "en_US".to_owned(),
        persona: "loud".to_owned(),
        mode: 9,
        heartbeat_interval: Some(Duration {
            seconds: 61,
            nanos: 0,
        }),
        ..Default::default()
    };
    let mut wrong = Request::new(wrong);
    let caller = MetadataValue::from_static("two words");
    wrong.metadata_mut().insert("x-caller-id", caller);
    let refused = ask(replica.client().await, wrong).await.unwrap_err();
    assert!(refused.message().contains("must be one of connell, gentle"));
    let fields = [
        "challenge_id",
        "locale",
        "persona",
        "mode",
        "heartbeat_interval",
        "x-caller-id",
    ];
    assert_eq!(Refusal::from(refused), Refusal::invalid(&fields));

    let refused = try_hear(&replica, question_about(UNKNOWN[0])).await;
    let unknown = Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[]);
    assert_eq!(refusal(refused), unknown);
    assert!(provider.exchanges().is_empty());
}

#[tokio::test]
async fn one_bad_id_fails_a_whole_batch_and_all_of_them_are_named() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let bad = try_batch(&replica, &[CHALLENGE, "x", CHALLENGE, "y"]).await;
    let named = Refusal::invalid(&["challenge_ids[1]", "challenge_ids[3]", "challenge_ids[2]"]);
    assert_eq!(refusal(bad), named);
    for ids in [&[][..], &[CHALLENGE; 51]] {
        let refused = try_batch(&replica, ids).await;
        assert_eq!(refusal(refused), Refusal::invalid(&["challenge_ids"]));
    }
    let refused = try_batch(&replica, &[UNKNOWN[0], CHALLENGE, UNKNOWN[1]]).await;
    let refused = refused.unwrap_err();
    for id in UNKNOWN {
        assert!(refused.message().contains(id), "{refused}");
    }
    assert!(refused.get_error_details().resource_info().is_some());
    assert!(provider.exchanges().is_empty(), "nothing was begun");
}

#[tokio::test]
async fn a_provider_that_cannot_be_one_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("key");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (flag, name, value, problem) in [
        ("", "ANTHROPIC_BASE_URL", "ftp://host", "is not HTTP"),
        ("--anthropic-api-key=", "", "", "is empty"),
        ("", "ANTHROPIC_API_KEY", "S3CR3T\nx", "a key is one line"),
        ("", "ANTHROPIC_API_KEY_FILE", empty, "is empty"),
        (
            "",
            "CATALOG_TIP_ABANDONED",
            "forget",
            "must be finish or abort",
        ),
    ] {
        let arguments: Vec<_> = ["serve", flag]
            .into_iter()
            .filter(|a| !a.is_empty())
            .collect();
        let environment = [(name, value.to_owned())];
        let environment = if name.is_empty() {
            &[][..]
        } else {
            &environment
        };
        let ended = timeout(SOON, program::run(&arguments, environment)).await;
        let ended = ended.unwrap_or_else(|_| panic!("it serves with {flag}{name}"));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        let told = flag.trim_end_matches('=');
        assert!(
            [told, name, problem].iter().all(|text| said.contains(text)),
            "{said}"
        );
        assert!(!said.contains("S3CR3T"), "{said}");
    }
}

#[tokio::test]
async fn a_token_that_is_garbage_is_no_error() {
    let replica = Replica::start(&[]).await;
    let asked = StreamTipsRequest {
        resume_token: vec![0xFF; 4_096],
        ..question()
    };
    let hearing = try_hear(&replica, asked).await.unwrap();
    assert_eq!(hearing.resets.len(), 1);
}
