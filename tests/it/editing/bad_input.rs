//! What an editor can get wrong: every field is named, all of them at once, and nothing is changed.
use challenges_catalog::pb::admin::v1 as pb;
use http::StatusCode;
use prost::Message;
use prost_types::FieldMask;
use tonic::Code;

use super::client::{SEEDED, by, challenge, client, create, creating, id, update, updating};
use crate::support::{
    refusal::{Refusal, refusal},
    replica::Replica,
    wire::{frame, grpc, send},
};

#[tokio::test]
async fn a_new_challenge_names_every_field_that_is_wrong() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let nothing = refusal(
        client
            .create_challenge(pb::CreateChallengeRequest::default())
            .await,
    );
    let fields = ["challenge.difficulty", "challenge.title"];
    assert_eq!(nothing, Refusal::invalid(&fields));
    let wrong = pb::EditedChallenge {
        id: "beg-001".to_owned(),
        difficulty: 9,
        title: "x".repeat(201),
        description: Some("\r".to_owned()),
        points: Some(1_001),
        tips: Some("x".repeat(5_001)),
        ..Default::default()
    };
    let request = pb::CreateChallengeRequest {
        request_id: "two words".to_owned(),
        ..creating(wrong)
    };
    let all = refusal(client.create_challenge(by("two words", request)).await);
    let fields = [
        "request_id",
        "x-caller-id",
        "challenge.id",
        "challenge.difficulty",
        "challenge.title",
        "challenge.description",
        "challenge.tips",
        "challenge.points",
    ];
    assert_eq!(all, Refusal::invalid(&fields));
}

#[tokio::test]
async fn a_title_is_one_line_in_nfc_that_says_something() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    for title in [" ", "a\nb", "Gro\u{308}ße", "bell \u{7}"] {
        let refused = refusal(create(&mut client, challenge(1, title)).await);
        assert_eq!(refused, Refusal::invalid(&["challenge.title"]), "{title:?}");
    }
    create(&mut client, challenge(1, &"ß".repeat(200)))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_update_names_what_it_cannot_read() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let seeded = || pb::EditedChallenge {
        id: SEEDED.to_owned(),
        ..Default::default()
    };
    let masked = |paths: &[&str]| pb::UpdateChallengeRequest {
        update_mask: Some(FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }),
        ..updating(seeded())
    };
    let etag = |etag: &str| pb::UpdateChallengeRequest {
        etag: etag.to_owned(),
        ..updating(seeded())
    };
    let points = pb::EditedChallenge {
        points: Some(-1),
        ..seeded()
    };
    for (request, fields) in [
        (pb::UpdateChallengeRequest::default(), &["challenge.id"][..]),
        (masked(&["id", "name"]), &["update_mask", "update_mask"]),
        (masked(&["points"]), &["challenge.points"]),
        (
            masked(&["title", "difficulty"]),
            &["challenge.difficulty", "challenge.title"],
        ),
        (updating(points), &["challenge.points"]),
        (etag("abc"), &["etag"]),
        (etag("W/\"abc\""), &["etag"]),
    ] {
        let refused = refusal(update(&mut client, request.clone()).await);
        assert_eq!(refused, Refusal::invalid(fields), "{request:?}");
    }
    let unknown = refusal(update(&mut client, updating(challenge(404, "T"))).await);
    assert_eq!(
        unknown,
        Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[])
    );
}

#[tokio::test]
async fn a_delete_and_a_revert_name_what_they_cannot_read() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let deleting = pb::DeleteChallengeRequest {
        id: "x".to_owned(),
        etag: "y".to_owned(),
        ..Default::default()
    };
    let refused = refusal(client.delete_challenge(deleting).await);
    assert_eq!(refused, Refusal::invalid(&["etag", "id"]));
    let reverting = |id: &str, revision| pb::RevertChallengeRequest {
        id: id.to_owned(),
        revision,
        ..Default::default()
    };
    let refused = refusal(client.revert_challenge(reverting("", 0)).await);
    assert_eq!(refused, Refusal::invalid(&["id", "revision"]));
    for (id, revision) in [(SEEDED, i64::MAX), (&id(404), 1)] {
        let refused = refusal(client.revert_challenge(reverting(id, revision)).await);
        let expected = Refusal::new(Code::NotFound, "REVISION_NOT_FOUND", &[]);
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn a_history_names_what_it_cannot_read() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let list = |challenge: &str, page_size, token: &str| pb::ListChallengeRevisionsRequest {
        challenge_id: challenge.to_owned(),
        page_size,
        page_token: token.to_owned(),
    };
    let refused = refusal(client.list_challenge_revisions(list("x", 101, "")).await);
    assert_eq!(refused, Refusal::invalid(&["challenge_id", "page_size"]));
    let first = client
        .list_challenge_revisions(list("", 1, ""))
        .await
        .unwrap();
    let token = first.into_inner().next_page_token;
    assert_ne!(token, "", "every seed is a revision");
    for (challenge, token) in [(SEEDED, token.as_str()), ("", "AAAA")] {
        let refused = refusal(
            client
                .list_challenge_revisions(list(challenge, 1, token))
                .await,
        );
        let expected = Refusal::new(Code::InvalidArgument, "INVALID_PAGE_TOKEN", &["page_token"]);
        assert_eq!(refused, expected);
    }
}

const IMPORT: &str = "/challenges.admin.v1.ChallengesAdmin/ImportChallenges";
const CREATE: &str = "/challenges.admin.v1.ChallengesAdmin/CreateChallenge";

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_the_replica_serves_on() {
    let replica = Replica::start(&[]).await;
    let malformed = || Refusal::new(Code::InvalidArgument, "MALFORMED_MESSAGE", &[]);
    let good = creating(challenge(1, "T")).encode_to_vec();
    let mut cut = frame(0, &good).to_vec();
    cut.truncate(10);
    for path in [IMPORT, CREATE] {
        for body in [frame(0, b"\xff\xff"), frame(7, b""), cut.clone().into()] {
            let answer = send(replica.addr(), grpc(path), body).await;
            assert_eq!(answer.http, StatusCode::OK);
            assert_eq!(Refusal::from(answer.status()), malformed(), "{path}");
        }
    }
    let large = frame(0, &vec![0; (1 << 20) + 1]);
    for path in [IMPORT, CREATE] {
        let answer = send(replica.addr(), grpc(path), large.clone()).await;
        let too_large = Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[]);
        assert_eq!(Refusal::from(answer.status()), too_large, "{path}");
    }
    let unknown = "/challenges.admin.v1.ChallengesAdmin/Rename";
    let answer = send(replica.addr(), grpc(unknown), frame(0, b"")).await;
    assert_eq!(answer.status().code(), Code::Unimplemented);
    create(&mut client(&replica).await, challenge(1, "T"))
        .await
        .unwrap();
}
