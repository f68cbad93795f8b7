//! Lists, challenges and batches: the JSON is that of the gRPC answer.
use serde_json::{Value, json};

use super::{
    grpc_json::read_by_grpc,
    scene::{HTTP, get, serving},
};
use crate::{
    ops::scene::{metric, metrics},
    support::{fleet::Fleet, replica::Replica},
    tips::wire_stream::{CHALLENGE, OTHERS},
};

const LIST: &str = "ListChallenges";

/// Compares what both say.
async fn compare(replica: &Replica, path: &str, (method, request): (&str, Value)) {
    let answer = get(replica, path).await.json();
    let by_grpc = read_by_grpc(replica, method, &request).await;
    assert_eq!(answer, by_grpc, "{path}");
}

#[tokio::test]
async fn a_list_is_the_json_of_the_grpc_answer() {
    let replica = serving(&[]).await;
    for (path, request) in [
        ("/v1/challenges", json!({})),
        (
            "/v1/challenges?difficulty=beginner&page_size=3",
            json!({"difficulty": "DIFFICULTY_BEGINNER", "page_size": 3}),
        ),
        (
            "/v1/challenges?page_size=100&difficulty=DIFFICULTY_ADVANCED",
            json!({"difficulty": "DIFFICULTY_ADVANCED", "page_size": 100}),
        ),
    ] {
        compare(&replica, path, (LIST, request)).await;
    }
}

#[tokio::test]
async fn every_page_is_the_json_of_the_grpc_answer() {
    let replica = serving(&[]).await;
    let mut token = String::new();
    let mut challenges = Vec::new();
    loop {
        let path = format!("/v1/challenges?page_size=5&page_token={token}");
        let request = json!({"page_size": 5, "page_token": token});
        compare(&replica, &path, (LIST, request)).await;
        let page = get(&replica, &path).await.json();
        challenges.extend(page["challenges"].as_array().unwrap().clone());
        page["next_page_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    let all = get(&replica, "/v1/challenges?page_size=100").await.json();
    assert_eq!(all["challenges"], Value::Array(challenges));
}

#[tokio::test]
async fn one_challenge_is_the_json_of_the_grpc_answer() {
    let replica = serving(&[]).await;
    let path = format!("/v1/challenges/{CHALLENGE}");
    compare(&replica, &path, ("GetChallenge", json!({"id": CHALLENGE}))).await;
}

#[tokio::test]
async fn a_batch_is_the_json_of_the_grpc_answer_however_its_ids_are_written() {
    let replica = serving(&[]).await;
    let [one, two, ..] = OTHERS;
    let ids = json!({"ids": [one, CHALLENGE, two]});
    for query in [
        format!("ids={one}&ids={CHALLENGE}&ids={two}"),
        format!("ids={one},{CHALLENGE},{two}"),
        format!("ids={one}%2C{CHALLENGE}&ids={two}"),
    ] {
        let path = format!("/v1/challenges:batchGet?{query}");
        compare(&replica, &path, ("BatchGetChallenges", ids.clone())).await;
    }
}

/// Quotes, what JavaScript took for ends of lines, and what takes two units of UTF-16.
#[tokio::test]
async fn texts_of_all_kinds_and_what_is_absent_are_the_json_of_the_grpc_answer() {
    let fleet = Fleet::start_with(1, &[HTTP]).await;
    let id = "00000000-0000-4000-8000-000000000001";
    let insert = format!(
        r#"INSERT INTO approach_challenges (id, difficulty, title, description, points, tips)
        VALUES ('{id}', 'advanced', 'He said "a\b" </script>', E'one\ntwo\tthree', 0, NULL),
        (gen_random_uuid(), 'advanced', E'\u2028 und \u2029', '👋🏽 ﷽ ä', 100, '')"#
    );
    fleet.database.execute(&insert).await;
    let replica = &fleet.replicas[0];
    let path = "/v1/challenges?difficulty=advanced&page_size=99";
    let request = json!({"difficulty": "DIFFICULTY_ADVANCED", "page_size": 99});
    compare(replica, path, (LIST, request)).await;
    let path = format!("/v1/challenges/{id}");
    let one = get(replica, &path).await.json();
    assert_eq!(one["challenge"]["title"], r#"He said "a\b" </script>"#);
    assert!(one["challenge"].get("tips").is_none(), "{one}");
    compare(replica, &path, ("GetChallenge", json!({"id": id}))).await;
}

#[tokio::test]
async fn a_path_that_is_spelled_otherwise_reads_the_same() {
    let replica = serving(&[]).await;
    let plain = get(&replica, &format!("/v1/challenges/{CHALLENGE}")).await;
    let encoded = CHALLENGE.replace('7', "%37");
    for path in [
        format!("/v1/challenges/{encoded}"),
        format!("/v1/challenges/{}", CHALLENGE.to_uppercase()),
    ] {
        let answer = get(&replica, &path).await;
        assert_eq!(answer.json(), plain.json(), "{path}");
        assert_eq!(answer.header("etag"), plain.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn calls_are_counted_under_their_rpc() {
    let replica = serving(&[]).await;
    let tip = format!("/v1/challenges/{CHALLENGE}/tip");
    for path in [
        "/v1/challenges",
        &format!("/v1/challenges/{CHALLENGE}"),
        &format!("/v1/challenges:batchGet?ids={CHALLENGE}"),
        &tip,
        "/v1/admin/flags",
    ] {
        assert_eq!(get(&replica, path).await.status, 200, "{path}");
    }
    let missing = "/v1/challenges/00000000-0000-4000-8000-000000000001";
    assert_eq!(
        get(&replica, missing).await.problem(),
        (404, "CHALLENGE_NOT_FOUND".to_owned(), Vec::new())
    );
    let page = metrics(&replica).await;
    for (method, code) in [
        ("ChallengesCatalog/ListChallenges", "OK"),
        ("ChallengesCatalog/GetChallenge", "OK"),
        ("ChallengesCatalog/GetChallenge", "NOT_FOUND"),
        ("ChallengesCatalog/BatchGetChallenges", "OK"),
        ("ChallengesCatalog/StreamTips", "OK"),
        ("FeatureFlags/ListFeatureFlags", "OK"),
    ] {
        let name = format!("catalog_rpc_requests_total{{method=\"{method}\",code=\"{code}\"}} ");
        let counted = metric(&page, &name);
        assert!((counted - 1.0).abs() < f64::EPSILON, "{name}{counted}");
    }
}
