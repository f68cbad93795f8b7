//! `admin cache warm`: reports progress, one at a time.
use serde_json::Value;

use super::terminal::Terminal;
use crate::{
    startup::ended::run,
    support::{fleet::Fleet, program::run_well, replica::Replica},
};

const WARM: [&str; 3] = ["admin", "cache", "warm"];

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&WARM[..], arguments].concat()
}

fn address_of(replica: &Replica) -> [(&'static str, String); 1] {
    [("CATALOG_ADDR", replica.addr().to_string())]
}

#[tokio::test]
async fn the_end_is_one_line_for_people_and_each_step_one_for_scripts() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let unknown = "00000000-0000-4000-8000-000000000000";
    let plain = run_well(
        &with(&["--list", "advanced:7", "all:9", "--id", unknown]),
        &here,
    )
    .await;
    let says = "2 loaded, 4 were there already, 1 are not in the catalog; took ";
    assert!(
        plain.starts_with(says) && plain.lines().count() == 1,
        "{plain}"
    );
    let json = run_well(&with(&["--output", "json"]), &here).await;
    let steps: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(steps.len(), 5, "{json}");
    assert_eq!(steps[0]["current"], "list:all:50");
    assert_eq!(steps[4]["summary"]["cached"], 4);
    for wrong in [
        &["--list", "hard"][..],
        &["--list", "all:101"],
        &["--id", "x"],
    ] {
        run(&with(wrong), &here).await.with(2, &["invalid value"]);
    }
}

#[tokio::test]
async fn on_a_terminal_a_bar_grows_and_makes_room_for_the_summary() {
    let replica = Replica::start(&[]).await;
    let addr = replica.addr().to_string();
    let (code, seen) = Terminal::run(&with(&[]), &addr).ended().await;
    assert_eq!(code, Some(0), "{seen:?}");
    assert!(seen.contains("warming ░"), "{seen:?}");
    assert!(
        seen.contains(&format!("{} 4/4", "█".repeat(30))),
        "{seen:?}"
    );
    let (_, last) = seen.rsplit_once("\u{1b}[2K").unwrap();
    assert!(
        last.starts_with("0 loaded, 4 were there already"),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_second_warmer_is_refused_and_ctrl_c_ends_the_first() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let mut lock = fleet.database.connect().await;
    let statement = "BEGIN; LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut lock).await.unwrap();
    let addr = replica.addr().to_string();
    let mut first = Terminal::run(&with(&["--list", "all:33"]), &addr);
    first.shows("4/5 list:all:33").await;
    let second = run(&with(&[]), &address_of(replica)).await;
    second.with(1, &["ABORTED", "WARMING_ALREADY"]);
    first.types("\u{3}").await;
    let (code, seen) = first.ended().await;
    assert_eq!(code, Some(1), "{seen:?}");
    assert!(seen.contains("what was loaded stays"), "{seen:?}");
}
