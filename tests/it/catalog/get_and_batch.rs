//! One challenge, and several.
use challenges_catalog::pb::catalog::v1::{
    BatchGetChallengesRequest, Challenge, Difficulty, GetChallengeRequest,
};
use tonic::Code;
use tonic_types::{ErrorDetail, StatusExt};
use uuid::Uuid;

use crate::support::refusal::Refusal;
use crate::support::{fleet::list, replica::Replica};

async fn all(replica: &Replica) -> Vec<Challenge> {
    let all = list(replica, Difficulty::Unspecified, 100).await.unwrap();
    all.challenges
}

fn batch(ids: impl IntoIterator<Item = String>) -> BatchGetChallengesRequest {
    BatchGetChallengesRequest {
        ids: ids.into_iter().collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_challenge_is_found_by_every_spelling_of_its_id() {
    let replica = Replica::start(&[]).await;
    let expected = all(&replica).await.swap_remove(7);
    for id in [
        expected.id.clone(),
        expected.id.to_uppercase(),
        expected.id.replace('-', ""),
    ] {
        let request = GetChallengeRequest {
            id,
            ..Default::default()
        };
        let got = replica.client().await.get_challenge(request).await.unwrap();
        assert_eq!(got.into_inner().challenge.as_ref(), Some(&expected));
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_named() {
    let replica = Replica::start(&[]).await;
    let id = Uuid::new_v4().to_string();
    // The second answer comes from the cache's memory of what is not there.
    for _ in 0..2 {
        let request = GetChallengeRequest {
            id: id.clone(),
            ..Default::default()
        };
        let status = replica.client().await.get_challenge(request).await;
        let status = status.unwrap_err();
        let resource = status.get_error_details();
        let resource = resource.resource_info().unwrap();
        assert_eq!(resource.resource_type, "challenge");
        assert_eq!(resource.resource_name, id);
        let refused = Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[]);
        assert_eq!(Refusal::from(status), refused);
    }
}

#[tokio::test]
async fn a_batch_comes_in_the_order_asked_for() {
    let replica = Replica::start(&[]).await;
    let mut expected = all(&replica).await;
    expected.reverse();
    expected.swap(0, 5);
    let request = batch(expected.iter().map(|challenge| challenge.id.clone()));
    for cached in [false, true] {
        let mut client = replica.client().await;
        let got = client.batch_get_challenges(request.clone()).await;
        let got = got.unwrap().into_inner();
        assert_eq!(got.challenges, expected);
        assert_eq!(got.cached, cached);
    }
}

#[tokio::test]
async fn a_batch_names_unknown_ids_and_gives_no_half_answer() {
    let replica = Replica::start(&[]).await;
    let known = all(&replica)
        .await
        .into_iter()
        .map(|challenge| challenge.id);
    let unknown: Vec<_> = (0..30).map(|_| Uuid::new_v4().to_string()).collect();
    let request = batch(known.chain(unknown.clone()));
    let status = replica.client().await.batch_get_challenges(request).await;
    let status = status.unwrap_err();
    let message = format!(
        "no such challenge: {}, and 10 more",
        unknown[..20].join(", ")
    );
    assert_eq!(status.message(), message);
    let details = status.get_error_details_vec().into_iter();
    let named = details.filter_map(|detail| {
        let ErrorDetail::ResourceInfo(info) = detail else {
            return None;
        };
        Some(info.resource_name)
    });
    assert_eq!(named.collect::<Vec<_>>(), unknown[..20]);
    assert!(status.details().len() < 4096);
    let refused = Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[]);
    assert_eq!(Refusal::from(status), refused);
}
