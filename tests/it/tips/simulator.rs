//! The program with a simulator that others wrote as its provider, and what that thinks of it.
use challenges_catalog::pb::catalog::v1::{TipResetCause, TipSource};
use serde_json::json;

use super::wire_stream::{CHALLENGE, OTHERS, hear, question_about};
use crate::support::{llmock, replica::Replica};

const TIP: &str = "Take a breath, smile, and say hello. You can do this.";

#[tokio::test]
async fn every_fault_of_the_simulator_ends_in_a_tip_and_it_has_nothing_to_complain_of() {
    let server = llmock::start();
    let settings = [
        ("ANTHROPIC_API_KEY", "key".to_owned()),
        ("ANTHROPIC_BASE_URL", server.anthropic_url()),
        ("CATALOG_TIP_IDLE_TIMEOUT", "2s".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let stream_fault = |kind| json!({"type": "stream_fault", "kind": kind, "after_chunks": 5, "stall_seconds": 60});
    // With how many replies are begun until one is whole.
    let faults = [
        (
            json!({"type": "fail", "status": 429, "retry_after": 0.25}),
            1,
        ),
        (json!({"type": "fail", "status": 529}), 1),
        (stream_fault("truncate"), 2),
        (stream_fault("disconnect"), 2),
        (stream_fault("malformed"), 2),
        (stream_fault("stall"), 2),
    ];
    let challenges = [CHALLENGE].into_iter().chain(OTHERS);
    for ((fault, replies), challenge) in faults.iter().zip(challenges) {
        server.next(&json!({"type": "reply", "text": TIP, "times": replies}));
        server.next(fault);
        let hearing = hear(&replica, question_about(challenge)).await;
        assert_eq!(
            (hearing.text.as_str(), hearing.done.source()),
            (TIP, TipSource::Ai),
            "{fault}"
        );
        let restarts = vec![TipResetCause::Restart; replies - 1];
        assert_eq!(hearing.resets, restarts, "{fault}");
    }
    let verdict = server.verdict();
    assert_eq!(
        (&verdict["passed"], &verdict["errors"], &verdict["warnings"]),
        (&json!(true), &json!(0), &json!(0)),
        "{verdict}"
    );
    assert_eq!(verdict["faults_injected"], faults.len());
}
