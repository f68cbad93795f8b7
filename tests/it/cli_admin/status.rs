//! `admin cache status`: once, and again and again.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::Difficulty;
use serde_json::Value;

use super::terminal::Terminal;
use crate::{
    ops::scene::{OPS, metric, metrics},
    startup::ended::run,
    support::{
        fleet::{Fleet, list},
        process::{PATIENCE, free_port},
        program::run_well,
        replica::Replica,
        wait::eventually,
    },
};

const STATUS: [&str; 3] = ["admin", "cache", "status"];

fn address_of(replica: &Replica) -> [(&'static str, String); 1] {
    [("CATALOG_ADDR", replica.addr().to_string())]
}

#[tokio::test]
async fn one_replica_is_told_field_by_field() {
    let replica = Replica::start(&[]).await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let here = address_of(&replica);
    let plain = run_well(&STATUS, &here).await;
    for row in ["mode\twithout redis", "lag\t0 commits", "redis\t–"] {
        assert!(plain.lines().any(|line| line == row), "{row}: {plain}");
    }
    let near = plain
        .lines()
        .find(|line| line.starts_with("near cache\t4 entries, "));
    assert!(near.is_some(), "{plain}");
    let json = run_well(&[&STATUS[..], &["--output", "json"]].concat(), &here).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let status = &json["replicas"][0];
    assert_eq!(
        (&status["mode"], &status["near"]["entries"]),
        (&"redis_bypassed".into(), &4.into())
    );
    assert!(status["hit_latency"]["p99"].is_string(), "{status}");
    assert_eq!(json["silent"], Value::Array(Vec::new()));
    assert_eq!(json["others_unknown"], Value::Null);
}

#[tokio::test]
async fn all_replicas_have_a_row_each_and_the_silent_are_named() {
    let fleet = Fleet::start(3).await;
    let here = address_of(&fleet.replicas[0]);
    let all = [&STATUS[..], &["--all"]].concat();
    let table = run_well(&[&all[..], &["--output", "table"]].concat(), &here).await;
    assert!(table.starts_with("REPLICA "), "{table}");
    assert_eq!(table.matches(" normal").count(), 3, "{table}");
    fleet.replicas[2].pause();
    eventually("the third is silent", Duration::from_secs(10), async || {
        let plain = run_well(&all, &here).await;
        let silent = plain.lines().filter(|line| line.starts_with("silent\t"));
        (plain.lines().count(), silent.count()) == (3, 1)
    })
    .await;
    fleet.replicas[2].resume();
}

#[tokio::test]
async fn on_a_terminal_it_is_a_dashboard_that_leaves_the_screen_as_it_was() {
    let replica = Replica::start(&[]).await;
    let watch = [&STATUS[..], &["--watch", "--interval", "100ms"]].concat();
    let mut terminal = Terminal::run(&watch, &replica.addr().to_string());
    terminal.shows("\u{1b}[?1049h").await;
    terminal.shows("REPLICA").await;
    for _ in 0..3 {
        list(&replica, Difficulty::Beginner, 20).await.unwrap();
    }
    terminal.shows("100.0 %").await;
    terminal.types("\u{3}").await;
    let (code, seen) = terminal.ended().await;
    assert_eq!(code, Some(130), "{seen:?}");
    assert!(seen.ends_with("\u{1b}[?25h\u{1b}[?1049l"), "{seen:?}");
}

#[tokio::test]
async fn in_a_pipe_each_look_is_a_line_until_the_server_is_gone() {
    let replica = Replica::start(&[(OPS.0, OPS.1.to_owned())]).await;
    let here = address_of(&replica);
    let watch = [
        &STATUS[..],
        &["--watch", "--interval", "100ms", "--timeout", "1s"],
    ]
    .concat();
    let watched = run(&watch, &here);
    let stopped = async {
        let looks = r#"catalog_rpc_requests_total{method="CacheAdmin/GetCacheStatus",code="OK"}"#;
        eventually("it looked three times", PATIENCE, async || {
            metric(&metrics(&replica).await, looks) >= 3.0
        })
        .await;
        replica.kill().await;
    };
    let (watched, ()) = tokio::join!(watched, stopped);
    assert_eq!(watched.code, Some(1), "{watched:?}");
    assert!(watched.out.lines().count() >= 2, "{watched:?}");
    assert!(
        watched
            .out
            .lines()
            .all(|line| line.split('\t').count() == 4)
    );
    assert!(watched.err.starts_with("error: "), "{watched:?}");
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_told_with_what_to_try() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let away = [&STATUS[..], &["--addr", &nobody]].concat();
    run(&away, &[])
        .await
        .with(1, &[&nobody, "nothing listens", "--addr"]);
    for wrong in [
        &["--interval", "1s"][..],
        &["--watch", "--interval", "1ms"],
        &["--al"],
    ] {
        let wrong = [&STATUS[..], wrong].concat();
        run(&wrong, &[]).await.with(2, &["error:"]);
    }
    let replica = Replica::start(&[]).await;
    replica.pause();
    let short = [&STATUS[..], &["--timeout", "300ms"]].concat();
    let ended = run(&short, &address_of(&replica)).await;
    ended.with(1, &["--timeout grants more"]);
    replica.resume();
}
