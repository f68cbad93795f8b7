//! `health`, `list`, `get`, `tips`: a running server from a terminal.
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::ended::run;
use crate::support::{process::free_port, program::run_well, replica::Replica};

fn address_of(replica: &Replica) -> [(&'static str, String); 1] {
    [("CATALOG_ADDR", replica.addr().to_string())]
}

#[tokio::test]
async fn health_tells_serving_not_serving_and_unreachable_apart() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    for service in ["", "liveness", "challenges.catalog.v1.ChallengesCatalog"] {
        let ended = run(&["health", "--service", service], &here).await;
        ended.with(0, &[]);
        assert_eq!(ended.out, "SERVING\n");
    }
    let unknown = run(&["health", "--service", "no.such.Service"], &here).await;
    unknown.with(1, &[]);
    assert_eq!(unknown.out, "SERVICE_UNKNOWN\n");
    let nobody = format!("127.0.0.1:{}", free_port());
    let ended = run(&["health", "--addr", &nobody], &[]).await;
    ended.with(2, &[&nobody, "nothing listens"]);

    replica.pause();
    let ended = run(&["health", "--timeout", "300ms"], &here).await;
    ended.with(2, &[]);
    assert!(!ended.err.is_empty());
    replica.resume();
}

#[tokio::test]
async fn who_answers_but_is_no_grpc_server_is_asked_about() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    // As Redis does.
    let answering = async {
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let answer = b"-ERR unknown command 'PRI'\r\n";
            caller.write_all(answer).await.unwrap();
        }
    };
    let arguments = ["list", "--addr", &addr];
    tokio::select! {
        () = answering => {}
        ended = run(&arguments, &[]) => ended.with(1, &["no gRPC server", "right HOST:PORT"]),
    }
}

#[tokio::test]
async fn a_bad_setting_of_a_client_is_told_with_where_to_look() {
    let host = &["list", "--addr", "127.0.0.1"][..];
    let time = &["admin", "flags", "list", "--timeout", "soon"];
    for (arguments, says) in [(host, "HOST:PORT"), (time, "--timeout")] {
        let ended = run(arguments, &[]).await;
        ended.with(2, &[says, "--help of this command"]);
        assert!(!ended.err.contains("serve --help"), "{ended:?}");
    }
    let sign = run(&["list", "--timeout", "-1s"], &[]).await;
    sign.with(2, &["--timeout: must be seconds", "-1s"]);
    let size = run(&["list", "--page-size", "abc"], &[]).await;
    size.with(2, &["must be a whole number, 1 to 100"]);
}

#[tokio::test]
async fn list_shows_a_page_or_all_for_people_and_for_programs() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let all = run_well(&["list", "--all", "--page-size", "4"], &here).await;
    assert_eq!(all.lines().count(), 18);
    assert!(all.lines().all(|line| line.split('\t').count() == 4));
    let page = run_well(&["list", "--page-size", "4"], &here).await;
    assert_eq!(page.lines().count(), 4);
    assert!(all.starts_with(&page));
    let advanced = run_well(&["list", "--difficulty", "advanced"], &here).await;
    assert!(advanced.lines().all(|line| line.contains("\tadvanced\t")));
    let table = run_well(&["list", "--output", "table"], &here).await;
    assert!(table.starts_with("ID ") && table.contains("18 of 18 challenges"));
    let json = run_well(&["list", "--output", "json", "--page-size", "4"], &here).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["challenges"].as_array().unwrap().len(), 4);
    assert_eq!(json["total_count"], 18);
    assert_ne!(json["next_page_token"], "");

    for arguments in [
        &["list", "--difficulty", "hard"][..],
        &["list", "--page-size", "101"],
        &["list", "--page-size", "-1"],
    ] {
        run(arguments, &here).await.with(2, &["invalid value"]);
    }
}

#[tokio::test]
async fn get_shows_one_challenge_or_says_that_there_is_none() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let all = run_well(&["list"], &here).await;
    let row: Vec<_> = all.lines().next().unwrap().split('\t').collect();
    let [id, difficulty, points, title] = row[..] else {
        panic!("{row:?}")
    };
    let plain = run_well(&["get", id], &here).await;
    for field in [
        format!("id\t{id}"),
        format!("difficulty\t{difficulty}"),
        format!("points\t{points}"),
        format!("title\t{title}"),
    ] {
        assert!(plain.lines().any(|line| line == field), "{plain}");
    }
    let json = run_well(&["get", id, "--output", "json"], &here).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["challenge"]["title"], title);
    let etag = format!("etag\t{}", json["etag"].as_str().unwrap());
    assert!(plain.lines().any(|line| line == etag), "{plain}");
    let table = run_well(&["get", id, "--output", "table"], &here).await;
    assert!(table.contains("FIELD") && table.contains("version "));

    let unknown = "00000000-0000-4000-8000-000000000000";
    let ended = run(&["get", unknown], &here).await;
    ended.with(
        1,
        &["NOT_FOUND", "CHALLENGE_NOT_FOUND", unknown, "request id"],
    );
    run(&["get", "beg-001"], &here).await.with(2, &["UUID"]);
}

#[tokio::test]
async fn tips_shows_a_tip_for_people_and_for_programs() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let all = run_well(&["list"], &here).await;
    let id = all.split('\t').next().unwrap();
    let json = run_well(&["tips", id, "--output", "json"], &here).await;
    let events: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [accepted, delta, done] = &events[..] else {
        panic!("{json}")
    };
    assert_eq!(accepted["accepted"]["source"], "static");
    assert_eq!(done["done"]["fallback"], "no_provider");
    let text = delta["delta"]["text"].as_str().unwrap();
    assert_eq!(run_well(&["tips", id], &here).await, format!("{text}\n"));
    let table = run_well(
        &["tips", id, "--output", "table", "--locale", "de-at"],
        &here,
    )
    .await;
    assert!(table.starts_with(text), "{table}");
    let summary = "written by a person, because of: no provider; first text after ";
    assert!(table.contains(summary), "{table}");

    let unknown = "00000000-0000-4000-8000-000000000000";
    let ended = run(&["tips", unknown], &here).await;
    ended.with(1, &["NOT_FOUND", unknown, "request id"]);
    let ended = run(&["tips", id, "--persona", "loud"], &here).await;
    ended.with(1, &["INVALID_ARGUMENT", "persona: must be one of"]);
    for wrong in [&["tips", "beg-001"][..], &["tips", id, "--mode", "x"]] {
        run(wrong, &here).await.with(2, &["invalid value"]);
    }
}
