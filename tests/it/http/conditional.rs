//! Etags over HTTP: those of gRPC, and who holds the content gets 304.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    BatchGetChallengesRequest, Difficulty, GetChallengeRequest,
};
use http::Method;

use super::scene::{Answer, BOTH, Client, HTTP, ask, asking, get, get_with, http_addr, serving};
use crate::{
    support::{
        fleet::{Fleet, list},
        wait::eventually,
    },
    tips::wire_stream::{CHALLENGE, OTHERS},
};

const BEGINNERS: &str = "/v1/challenges?difficulty=beginner";
/// What a 304 must repeat of the answer (RFC 9110, 15.4.5), and what tells its age.
const REPEATED: [&str; 6] = [
    "etag",
    "cache-control",
    "vary",
    "x-catalog-version",
    "cache-status",
    "age",
];

#[tokio::test]
async fn etags_are_those_of_grpc_at_every_replica() {
    let fleet = Fleet::start_with(2, &[HTTP]).await;
    let mut client = fleet.replicas[0].client().await;
    let beginners = list(&fleet.replicas[0], Difficulty::Beginner, 0).await;
    let one = client.get_challenge(GetChallengeRequest {
        id: CHALLENGE.to_owned(),
        ..Default::default()
    });
    let one = one.await.unwrap().into_inner();
    let batch = client.batch_get_challenges(BatchGetChallengesRequest {
        ids: OTHERS.map(str::to_owned).to_vec(),
        ..Default::default()
    });
    let batch = batch.await.unwrap().into_inner();
    let batch_path = format!("/v1/challenges:batchGet?ids={}", OTHERS.join(","));
    for replica in &fleet.replicas {
        for (path, etag) in [
            (BEGINNERS, &beginners.as_ref().unwrap().etag),
            (&format!("/v1/challenges/{CHALLENGE}"), &one.etag),
            (&batch_path, &batch.etag),
        ] {
            assert_eq!(get(replica, path).await.header("etag"), etag, "{path}");
        }
    }
}

fn is_not_modified(answer: &Answer, whole: &Answer) {
    assert_eq!(answer.status, 304, "{answer:?}");
    assert!(answer.body.is_empty());
    for name in REPEATED {
        assert!(!answer.header(name).is_empty(), "{name}");
    }
    assert_eq!(answer.header("etag"), whole.header("etag"));
    assert_eq!(
        answer.header("cache-control"),
        whole.header("cache-control")
    );
    assert_eq!(answer.header("vary"), whole.header("vary"));
    // It would have to be the length of the answer that is not sent.
    assert_eq!(answer.header("content-length"), "");
    assert_eq!(answer.header("content-type"), "");
}

#[tokio::test]
async fn who_holds_the_content_gets_304_however_its_etag_is_written() {
    let replica = serving(&[]).await;
    let whole = get(&replica, BEGINNERS).await;
    let weak = whole.header("etag");
    let strong = weak.trim_start_matches("W/");
    for held in [
        weak,
        strong,
        "*",
        &format!("\"other\", {weak}"),
        &format!("W/\"a,b\" ,, {strong},\"last\""),
        &format!("  {weak}  "),
    ] {
        let answer = get_with(&replica, BEGINNERS, &[("if-none-match", held)]).await;
        is_not_modified(&answer, &whole);
    }
}

#[tokio::test]
async fn etags_may_stand_in_several_lines() {
    let replica = serving(&[]).await;
    let whole = get(&replica, BEGINNERS).await;
    let lines = [
        ("if-none-match", "\"other\""),
        ("if-none-match", whole.header("etag")),
    ];
    for speaking in BOTH {
        let mut client = Client::connect(http_addr(&replica), speaking).await;
        let answer = client.send(asking(Method::GET, BEGINNERS, &lines)).await;
        is_not_modified(&answer, &whole);
    }
}

#[tokio::test]
async fn one_challenge_and_several_that_the_caller_holds_are_not_sent_again() {
    let replica = serving(&[]).await;
    for path in [
        format!("/v1/challenges/{CHALLENGE}"),
        format!("/v1/challenges:batchGet?ids={}", OTHERS.join(",")),
    ] {
        let whole = get(&replica, &path).await;
        let held = [("if-none-match", whole.header("etag"))];
        is_not_modified(&get_with(&replica, &path, &held).await, &whole);
    }
}

#[tokio::test]
async fn what_names_nothing_here_gets_the_whole_answer() {
    let replica = serving(&[]).await;
    let whole = get(&replica, BEGINNERS).await;
    let etag = whole.header("etag");
    let bare = etag.trim_start_matches("W/").trim_matches('"');
    let many = "\"0123456789\", ".repeat(700);
    for garbage in [
        "",
        "garbage",
        bare,
        &etag[..etag.len() - 1],
        &etag.replace("W/", "w/"),
        "\"",
        "W/",
        "W/\"\"",
        "**",
        ", , ,",
        "\u{e9}\u{1F44B}",
        &"x".repeat(10_000),
        &many[..many.len() - 2],
    ] {
        let answer = get_with(&replica, BEGINNERS, &[("if-none-match", garbage)]).await;
        assert_eq!(answer.status, 200, "{garbage}");
        assert_eq!(answer.body, whole.body);
    }
}

#[tokio::test]
async fn who_asks_for_the_head_alone_gets_304_as_well() {
    let replica = serving(&[]).await;
    let whole = get(&replica, BEGINNERS).await;
    let held = [("if-none-match", whole.header("etag"))];
    is_not_modified(&ask(&replica, Method::HEAD, BEGINNERS, &held).await, &whole);
}

#[tokio::test]
async fn a_changed_row_has_another_etag_and_answer_at_every_replica_within_two_seconds() {
    let fleet = Fleet::start_with(2, &[HTTP]).await;
    let path = "/v1/challenges?difficulty=beginner&page_size=20";
    let before = get(&fleet.replicas[0], path).await;
    let held = [("if-none-match", before.header("etag"))];
    for round in 1..=3 {
        let title = format!("Changed {round}");
        let change =
            format!("UPDATE approach_challenges SET title = '{title}' WHERE id = '{CHALLENGE}'");
        fleet.database.execute(&change).await;
        for replica in &fleet.replicas {
            eventually("the change is seen", Duration::from_secs(2), async || {
                let answer = get_with(replica, path, &held).await;
                let is_new = std::str::from_utf8(&answer.body).unwrap().contains(&title);
                assert!(!is_new || answer.header("etag") != before.header("etag"));
                is_new
            })
            .await;
        }
    }
}
