//! `admin cache invalidate`: a receipt for people and scripts, and nothing by mistake.
use challenges_catalog::pb::catalog::v1::{AnswerSource, Difficulty};
use serde_json::Value;

use super::terminal::Terminal;
use crate::{
    startup::ended::run,
    support::{
        fleet::{Fleet, list},
        program::run_well,
        replica::Replica,
    },
};

const INVALIDATE: [&str; 3] = ["admin", "cache", "invalidate"];

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&INVALIDATE[..], arguments].concat()
}

fn address_of(replica: &Replica) -> [(&'static str, String); 1] {
    [("CATALOG_ADDR", replica.addr().to_string())]
}

async fn source(replica: &Replica) -> AnswerSource {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    answer.freshness.unwrap().source()
}

#[tokio::test]
async fn the_receipt_names_what_was_hit_and_every_replica() {
    let fleet = Fleet::start(2).await;
    let replica = &fleet.replicas[0];
    let here = address_of(replica);
    let counted = run_well(
        &with(&["--tag", "difficulty:beginner", "--validate-only"]),
        &here,
    )
    .await;
    assert!(
        counted.contains("entries\t2\n") && !counted.contains("version"),
        "{counted}"
    );
    assert_eq!(
        source(replica).await,
        AnswerSource::NearCache,
        "counting changes nothing"
    );

    let plain = run_well(&with(&["--tag", "difficulty:beginner"]), &here).await;
    let acknowledged = plain
        .lines()
        .find_map(|line| line.strip_prefix("acknowledged\t"));
    assert_eq!(acknowledged.unwrap().split(", ").count(), 2, "{plain}");
    assert_ne!(source(replica).await, AnswerSource::NearCache);

    let all = list(replica, Difficulty::Advanced, 20)
        .await
        .unwrap()
        .challenges;
    let ids = with(&["--output", "json", "--hard", "--id", &all[0].id, &all[1].id]);
    let json: Value = serde_json::from_str(&run_well(&ids, &here).await).unwrap();
    let tags = [0, 1].map(|at| format!("challenge:{}", all[at].id));
    assert_eq!(json["tags"], Value::from(tags.to_vec()));
    assert_eq!(json["acknowledged"].as_array().unwrap().len(), 2);
    assert_eq!(json["fenced"], Value::Array(Vec::new()));
    let table = run_well(
        &with(&["--all", "--yes", "--no-wait", "--output", "table"]),
        &here,
    )
    .await;
    assert!(
        table.contains("challenges") && table.contains("committed; "),
        "{table}"
    );
}

#[tokio::test]
async fn everything_needs_a_yes() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    source(&replica).await;
    for everything in [&["--all"][..], &["--tag", "challenges"]] {
        let refused = run(&with(everything), &here).await;
        refused.with(2, &["--yes", "--validate-only"]);
        assert_eq!(refused.out, "");
    }
    let addr = replica.addr().to_string();
    for (answer, code, says) in [("n\n", 1, "nothing was changed"), ("y\n", 0, "proven: ")] {
        assert_eq!(source(&replica).await, AnswerSource::NearCache);
        let mut terminal = Terminal::run(&with(&["--all"]), &addr);
        terminal.shows("Go on? [y/N] ").await;
        terminal.types(answer).await;
        let (ended, seen) = terminal.ended().await;
        assert_eq!(ended, Some(code), "{seen:?}");
        assert!(seen.contains(says), "{seen:?}");
    }
    assert_eq!(source(&replica).await, AnswerSource::Database);
    run_well(&with(&["--all", "--validate-only"]), &here).await;
}

#[tokio::test]
async fn a_mistake_is_told_and_empties_no_cache() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    source(&replica).await;
    let id = "7368dad2-43a3-4359-95c9-2405f700f00e";
    for (wrong, says) in [
        (&[][..], "required"),
        (&["--all", "--tag", "challenges"], "cannot be used with"),
        (&["--tag", "users"], "must be challenges, difficulty:"),
        (&["--id", "beg-001"], "UUID"),
        (&["--id", id, "--soft", "--hard"], "cannot be used with"),
    ] {
        run(&with(wrong), &here).await.with(2, &[says]);
    }
    let twice = run(&with(&["--id", id, id]), &here).await;
    twice.with(
        1,
        &[
            "INVALID_ARGUMENT",
            "challenges.ids[1]: repeats challenges.ids[0]",
            "request id",
        ],
    );
    assert_eq!(source(&replica).await, AnswerSource::NearCache);
}
