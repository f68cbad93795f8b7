//! What is wrong with a run is said at once, all of it, and costs no request.
use challenges_catalog::pb::admin::v1::{
    BatchGenerateTipsRequest, batch_generate_tips_request::Scope,
};
use tonic::Code;

use super::calling::{all, begin, some};
use crate::{
    support::{
        refusal::{Refusal, refusal},
        replica::Replica,
    },
    tips::{
        provider::{quick, replica_of},
        wire_stream::CHALLENGE,
    },
};

#[tokio::test]
async fn all_that_is_wrong_with_a_run_is_told_at_once() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let wrong = BatchGenerateTipsRequest {
        scope: Some(Scope::Difficulty(9)),
        locale: "en_US".to_owned(),
        persona: "loud".to_owned(),
        tips_per_minute: 601,
        ..Default::default()
    };
    let fields = ["difficulty", "locale", "persona", "tips_per_minute"];
    let refused = refusal(begin(&replica, wrong).await);
    assert_eq!(refused, Refusal::invalid(&fields));
    let bad_ids = refusal(begin(&replica, some(&["x", CHALLENGE, "y", CHALLENGE])).await);
    assert_eq!(
        bad_ids,
        Refusal::invalid(&[
            "challenges.ids[0]",
            "challenges.ids[2]",
            "challenges.ids[3]"
        ])
    );
    let negative = BatchGenerateTipsRequest {
        tips_per_minute: -1,
        ..all()
    };
    let refused = refusal(begin(&replica, negative).await);
    assert_eq!(refused, Refusal::invalid(&["tips_per_minute"]));
    assert!(provider.exchanges().is_empty());
}

#[tokio::test]
async fn a_scope_that_names_nothing_or_too_much_is_refused() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let of = |scope| BatchGenerateTipsRequest {
        scope: Some(scope),
        ..Default::default()
    };
    for (request, field) in [
        (BatchGenerateTipsRequest::default(), "scope"),
        (of(Scope::All(false)), "scope"),
        (of(Scope::Difficulty(0)), "difficulty"),
        (some(&[]), "challenges.ids"),
        (some(&vec![CHALLENGE; 1_001]), "challenges.ids"),
    ] {
        let refused = refusal(begin(&replica, request).await);
        assert_eq!(refused, Refusal::invalid(&[field]));
    }
    let unknown = some(&[CHALLENGE, "00000000-0000-4000-8000-000000000001"]);
    let refused = begin(&replica, unknown).await.unwrap_err();
    assert!(refused.message().contains("000000000001"), "{refused}");
    let expected = Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[]);
    assert_eq!(Refusal::from(refused), expected);
    assert!(provider.exchanges().is_empty());
}

#[tokio::test]
async fn without_a_provider_nothing_is_begun() {
    let replica = Replica::start(&[]).await;
    let refused = refusal(begin(&replica, all()).await);
    let expected = Refusal::new(Code::FailedPrecondition, "NO_TIPS_PROVIDER", &[]);
    assert_eq!(refused, expected);
}
