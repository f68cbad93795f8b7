//! The correlation id: on every answer, and on every log line of the call.
use challenges_catalog::pb::catalog::v1::Difficulty;
use http::HeaderValue;
use serde_json::Value;

use crate::support::{
    fleet::{Fleet, list},
    process::PATIENCE,
    replica::Replica,
    wait::eventually,
    wire::{Answer, frame, grpc, send},
};

const CATALOG: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

async fn ask(replica: &Replica, path: &str, id: Option<&[u8]>, message: &[u8]) -> Answer {
    let mut request = grpc(path);
    if let Some(id) = id {
        request = request.header("x-request-id", HeaderValue::from_bytes(id).unwrap());
    }
    send(replica.addr(), request, frame(0, message)).await
}

fn id(answer: &Answer) -> &str {
    answer.headers["x-request-id"].to_str().unwrap()
}

#[tokio::test]
async fn an_id_that_was_given_comes_back_on_answers_and_refusals() {
    let replica = Replica::start(&[]).await;
    let page_size_9999 = [0x10, 0x8f, 0x4e];
    let calls: [(&str, &[u8]); 4] = [
        (CATALOG, b""),
        (CATALOG, &page_size_9999),
        (HEALTH, b""),
        ("/no.such/Method", b""),
    ];
    for (path, message) in calls {
        let answer = ask(&replica, path, Some(b"order-4711/a.b:c+d="), message).await;
        assert_eq!(id(&answer), "order-4711/a.b:c+d=", "{path}");
    }
}

#[tokio::test]
async fn an_id_is_made_where_none_or_an_unusable_one_was_given() {
    let replica = Replica::start(&[]).await;
    let long = "x".repeat(129);
    let unusable: [&[u8]; 5] = [
        b"",
        b"two words",
        b"{\"a\":1}",
        b"\xff\xfe",
        long.as_bytes(),
    ];
    let mut seen = Vec::new();
    for given in [None].into_iter().chain(unusable.map(Some)) {
        let answer = ask(&replica, CATALOG, given, b"").await;
        let made = id(&answer).to_owned();
        assert!(made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!seen.contains(&made), "each call has its own");
        seen.push(made);
    }
}

/// The log lines from number `after` on, without those of work that no call started.
fn lines_of_calls(replica: &Replica, after: usize) -> Vec<Value> {
    let log = replica.log();
    let lines = log.lines().skip(after);
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect(line));
    let of_background_work = |line: &Value| {
        let statement = line["db.statement"].to_string() + &line["summary"].to_string();
        line["span"] == "health"
            || line["span"] == "warm"
            || line["target"] == "challenges_catalog::cache::feed"
            || line["target"] == "sqlx::query" && !statement.contains("approach_challenges")
    };
    lines.filter(|line| !of_background_work(line)).collect()
}

#[tokio::test]
async fn every_log_line_of_a_call_has_its_id() {
    let fleet = Fleet::start(1).await;
    let environment = [
        ("DATABASE_URL", fleet.database.url()),
        ("REDIS_URL", fleet.redis.url()),
        (
            "CATALOG_LOG",
            "info,challenges_catalog=trace,sqlx=debug".to_owned(),
        ),
    ];
    let replica = Replica::start(&environment).await;
    let page_size_17 = [0x10, 17];
    let calls = [("cold-1", "near miss"), ("warm-2", "near hit")];
    // Lines are written by a thread of their own, so they come when they come.
    eventually("the start is logged", PATIENCE, async || {
        replica.log().contains(r#""message":"serving""#)
    })
    .await;
    let before = replica.log().lines().count();
    for (given, _) in calls {
        let answer = ask(&replica, CATALOG, Some(given.as_bytes()), &page_size_17).await;
        assert_eq!(answer.status().code(), tonic::Code::Ok);
    }
    eventually("both calls are logged", PATIENCE, async || {
        let log = replica.log();
        calls.iter().all(|(_, message)| log.contains(message))
    })
    .await;
    let lines = lines_of_calls(&replica, before);
    for (given, message) in calls {
        let told = |line: &&Value| line["message"] == message;
        let line = lines.iter().find(told).expect(message);
        assert_eq!(line["request_id"], given, "{line}");
    }
    for line in &lines {
        let ours = |(given, _): &(&str, &str)| line["request_id"] == *given;
        assert!(calls.iter().any(ours), "{line}");
    }
}

#[tokio::test]
async fn an_outage_is_logged_with_the_id_of_the_call_that_met_it() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Beginner, 20).await.unwrap();
    // Reads fail from here on, and the change is none that the feed would hear of.
    let break_it = "ALTER TABLE approach_challenges RENAME COLUMN points TO score";
    fleet.database.execute(break_it).await;
    let page_size_18 = [0x10, 18];
    let answer = ask(replica, CATALOG, Some(b"broken-3"), &page_size_18).await;
    assert_eq!(answer.status().code(), tonic::Code::Internal);
    assert!(answer.status().message().contains("broken-3"));
    assert!(!answer.status().message().contains("points"));
    let failed = lines_of_calls(replica, 0)
        .into_iter()
        .find(|line| line["level"] == "ERROR")
        .expect("a fault is logged");
    assert_eq!(failed["request_id"], "broken-3", "{failed}");
    assert!(failed.to_string().contains("points"), "{failed}");
}
