//! An outage is a few lines, however many calls meet it: its beginning, samples, and its end.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::GetChallengeRequest;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::{fleet, postgres, process::PATIENCE, replica::Replica, wait::eventually};

/// The lines of a replica's log.
pub fn log_lines(replica: &Replica) -> Vec<Value> {
    let log = replica.log();
    let lines = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        line
    });
    lines.collect()
}

/// Asks for `count` challenges that are not cached; none is answered.
async fn fail(replica: &Replica, count: u32) {
    let client = replica.client().await;
    let calls = (0..count).map(|_| {
        let mut client = client.clone();
        async move {
            let request = GetChallengeRequest {
                id: uuid::Uuid::new_v4().to_string(),
                ..Default::default()
            };
            client.get_challenge(request).await
        }
    });
    for ended in join_all(calls).await {
        let code = ended.unwrap_err().code();
        let expected = [Code::Unavailable, Code::DeadlineExceeded];
        assert!(expected.contains(&code), "{code:?}");
    }
}

/// The lines with this message.
pub fn saying<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let said = |line: &&Value| {
        line["message"]
            .as_str()
            .unwrap_or_default()
            .contains(message)
    };
    lines.iter().filter(said).collect()
}

#[tokio::test]
async fn a_lost_database_is_a_few_lines_however_many_calls_fail() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let before = log_lines(&replica).len();
    server.kill();
    for _ in 0..5 {
        fail(&replica, 40).await;
    }
    server.restart();
    eventually("the log has the end", PATIENCE, async || {
        !saying(&log_lines(&replica), "the database is back").is_empty()
    })
    .await;
    let lines = log_lines(&replica).split_off(before);
    let (began, ended) = (
        saying(&lines, "a poll of the database failed"),
        saying(&lines, "the database is back"),
    );
    assert_eq!((began.len(), ended.len()), (1, 1), "{lines:#?}");
    assert!(ended[0]["lasted"].is_string(), "{ended:?}");
    assert!(ended[0]["failures"].as_u64().unwrap() > 1, "{ended:?}");
    let calls = saying(&lines, "call failed");
    let counted: u64 = calls
        .iter()
        .map(|line| 1 + line["left_out"].as_u64().unwrap())
        .sum();
    assert!(
        calls.len() < 40 && counted <= 200,
        "{} lines for {counted}",
        calls.len()
    );
    assert!(lines.len() - calls.len() < 20, "{lines:#?}");
}

#[tokio::test]
async fn running_out_of_descriptors_is_told_when_it_begins_and_when_it_is_over() {
    let replica = Replica::start_after("ulimit -n 64", &[]).await;
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(TcpStream::connect(replica.addr()).await.unwrap());
    }
    let begun = || saying(&log_lines(&replica), "cannot accept connections").len();
    eventually("it is logged", PATIENCE, async || begun() > 0).await;
    // It goes on meanwhile.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(connections);
    eventually("the end is logged", PATIENCE, async || {
        !saying(&log_lines(&replica), "connections are accepted again").is_empty()
    })
    .await;
    assert_eq!(begun(), 1);
    let lines = log_lines(&replica);
    let ended = saying(&lines, "connections are accepted again");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0]["failures"].as_u64().unwrap() > 1, "{ended:?}");
}
