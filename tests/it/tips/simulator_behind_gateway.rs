//! The program with a gateway and a simulator behind it, both by others, as its provider.
use challenges_catalog::pb::catalog::v1::TipSource;
use serde_json::json;

use super::wire_stream::{CHALLENGE, OTHERS, hear, question_about};
use crate::support::{
    litellm::{self, MASTER_KEY},
    replica::Replica,
};

const TIP: &str = "Take a breath, smile, and say hello. You can do this.";

#[tokio::test]
async fn every_fault_behind_a_gateway_ends_in_a_tip_in_each_protocol() {
    let (gateway, server) = litellm::with_simulator();
    let key = MASTER_KEY.to_owned();
    let by_anthropic = [
        ("ANTHROPIC_API_KEY", key.clone()),
        ("ANTHROPIC_BASE_URL", gateway.anthropic_url()),
        ("CATALOG_ANTHROPIC_MODEL", "llmock-anthropic".to_owned()),
    ];
    let by_openai = [
        ("CATALOG_OPENAI_API_KEY", key),
        ("CATALOG_OPENAI_BASE_URL", gateway.openai_url()),
        ("CATALOG_OPENAI_MODEL", "llmock-openai".to_owned()),
    ];
    let stream_fault = |kind| json!({"type": "stream_fault", "kind": kind, "after_chunks": 5});
    // With how many replies are begun until one is whole.
    let faults = [
        (json!({"type": "fail", "status": 429, "retry_after": 1}), 1),
        (json!({"type": "fail", "status": 503}), 1),
        (stream_fault("disconnect"), 2),
    ];
    for settings in [by_anthropic, by_openai] {
        let replica = Replica::start(&settings).await;
        let challenges = [CHALLENGE].into_iter().chain(OTHERS);
        for ((fault, replies), challenge) in faults.iter().zip(challenges) {
            server.next(&json!({"type": "reply", "text": TIP, "times": replies}));
            server.next(fault);
            let hearing = hear(&replica, question_about(challenge)).await;
            assert_eq!(
                (hearing.text.as_str(), hearing.done.source()),
                (TIP, TipSource::Ai),
                "{fault}: {}",
                replica.log()
            );
        }
        assert!(replica.sigterm_and_wait().await.success());
    }
}
