//! A history that is kept for a time: by replicas, by command, and what callers learn of what was pruned.
use std::time::Duration;

use challenges_catalog::pb::admin::v1 as pb;
use serde_json::Value;
use tonic::Code;

use super::client::{Client, SEEDED, client, history};
use crate::{
    ops::scene::{OPS, metric, metrics},
    startup::ended::{run, sqlite},
    support::{
        fleet,
        postgres::{self, Database},
        program::run_well,
        replica::Replica,
        wait::eventually,
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Takes every change so far into the history, as one of long ago.
async fn age(database: &Database) {
    for sql in [
        "SELECT challenges_catalog.number(2000)",
        "UPDATE challenges_catalog.edits SET committed_at = '2001-01-01'",
        "SELECT challenges_catalog.keep_revisions('18446744073709551615', NULL)",
    ] {
        database.execute(sql).await;
    }
}

/// A seeded catalog each of whose 18 challenges was changed twice, long ago.
async fn aged() -> Database {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    for title in ["First", "Second"] {
        let update = format!("UPDATE approach_challenges SET title = '{title}'");
        database.execute(&update).await;
    }
    age(&database).await;
    database
}

async fn revisions(database: &Database) -> i64 {
    let count = "SELECT count(*) FROM challenges_catalog.challenge_revisions";
    database.query_i64(count).await
}

/// The page of one challenge's history.
async fn page(client: &mut Client) -> pb::ListChallengeRevisionsResponse {
    let request = pb::ListChallengeRevisionsRequest {
        challenge_id: SEEDED.to_owned(),
        ..Default::default()
    };
    let answer = client.list_challenge_revisions(request).await;
    answer.unwrap().into_inner()
}

async fn revert(client: &mut Client, revision: i64) -> tonic::Status {
    let request = pb::RevertChallengeRequest {
        id: SEEDED.to_owned(),
        revision,
        ..Default::default()
    };
    client.revert_challenge(request).await.unwrap_err()
}

#[tokio::test]
async fn replicas_prune_by_the_setting_and_callers_are_told_what_went() {
    let database = aged().await;
    let role = database.create_role("serve").await;
    fleet::grant(&database, &role).await;
    let keeping = Replica::start(&[("DATABASE_URL", database.url_as(&role))]).await;
    let mut client = client(&keeping).await;
    let whole = page(&mut client).await;
    assert_eq!((whole.revisions.len(), whole.older_pruned), (3, false));
    let first = whole.revisions[2].revision;
    let settings = [
        ("DATABASE_URL", database.url_as(&role)),
        ("CATALOG_HISTORY_RETENTION", "30d".to_owned()),
        (OPS.0, OPS.1.to_owned()),
    ];
    let pruning = Replica::start(&settings).await;
    eventually("old revisions are gone", PATIENCE, async || {
        revisions(&database).await == 18
    })
    .await;
    let rest = page(&mut client).await;
    assert_eq!((rest.revisions.len(), rest.older_pruned), (1, true));
    assert_eq!(
        rest.revisions[0].challenge.as_ref().unwrap().title,
        "Second"
    );
    let gone = revert(&mut client, first).await;
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(
        gone.message(),
        format!("the challenge has no revision {first}, or no longer: none that old is kept")
    );
    let never = revert(&mut client, i64::MAX - 1).await;
    let said = format!("the challenge has no revision {}", i64::MAX - 1);
    assert_eq!(never.message(), said);
    eventually("the round is over", PATIENCE, async || {
        pruning.log().contains("old revisions were pruned")
    })
    .await;
    let page = metrics(&pruning).await;
    for told in [
        "catalog_history_pruned_total 36",
        "catalog_history_pruning_behind 0",
        "catalog_history_retention_seconds 2592000",
    ] {
        assert!(page.lines().any(|line| line == told), "{told}: {page}");
    }
}

#[tokio::test]
async fn without_the_setting_nothing_is_forgotten() {
    let database = aged().await;
    let fleet = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let mut client = client(&fleet).await;
    assert_eq!(history(&mut client, SEEDED).await.len(), 3);
    assert_eq!(revisions(&database).await, 54);
}

#[tokio::test]
async fn pruning_that_fails_is_told_with_its_cause_and_is_behind() {
    let database = aged().await;
    let role = database.create_role("serve").await;
    fleet::grant(&database, &role).await;
    let revoke = format!(
        "REVOKE EXECUTE ON FUNCTION challenges_catalog.prune_revisions(timestamptz, bigint, integer) FROM {role}"
    );
    database.execute(&revoke).await;
    let settings = [
        ("DATABASE_URL", database.url_as(&role)),
        ("CATALOG_HISTORY_RETENTION", "30d".to_owned()),
        (OPS.0, OPS.1.to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    eventually("it is behind", PATIENCE, async || {
        metric(&metrics(&replica).await, "catalog_history_pruning_behind ") > 0.0
    })
    .await;
    let log = replica.log();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("pruning of the history falls behind"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("permission denied for function prune_revisions"));
    assert_eq!(revisions(&database).await, 54);
}

#[tokio::test]
async fn a_command_prunes_both_engines_after_counting() {
    let database = aged().await;
    let folder = tempfile::tempdir().unwrap();
    let file = sqlite(&folder.path().join("a.sqlite"));
    run_well(&["migrate", "up"], &file).await;
    run_well(&["seed"], &file).await;
    for (environment, old) in [([("DATABASE_URL", database.url())], 36), (file, 0)] {
        let prune = ["history", "prune", "--older-than", "365d"];
        let json = async |more: &[&str]| {
            let arguments = [&prune[..], &["--output", "json"], more].concat();
            let out = run_well(&arguments, &environment).await;
            serde_json::from_str::<Value>(&out).unwrap()
        };
        for _ in 0..2 {
            let counted = json(&["--dry-run"]).await;
            assert_eq!(
                counted,
                serde_json::json!({ "removed": old, "dry_run": true })
            );
        }
        let counted = [&prune[..], &["--dry-run"]].concat();
        let words = format!("{old} revisions would be removed; nothing was changed\n");
        assert_eq!(run_well(&counted, &environment).await, words);
        let pruned = [&prune[..], &["--yes"]].concat();
        let words = format!("{old} revisions removed\n");
        assert_eq!(run_well(&pruned, &environment).await, words);
        assert_eq!(json(&["--yes"]).await["removed"], 0);
    }
    assert_eq!(revisions(&database).await, 18);
}

#[tokio::test]
async fn a_command_that_says_too_little_or_comes_too_much_changes_nothing() {
    let database = aged().await;
    let at = [("DATABASE_URL", database.url())];
    let unasked = run(&["history", "prune", "--older-than", "1d"], &at).await;
    unasked.with(2, &["--yes", "--dry-run"]);
    let ageless = run(&["history", "prune", "--yes"], &at).await;
    ageless.with(2, &["--older-than", "history-retention"]);
    let unitless = run(&["history", "prune", "--yes", "--older-than", "90"], &at).await;
    unitless.with(2, &["a number with a unit"]);
    let [url] = at.clone();
    let short = [url, ("CATALOG_HISTORY_RETENTION", "90".to_owned())];
    let short = run(&["history", "prune", "--yes"], &short).await;
    short.with(2, &["must be 1d to 36500d, not 90", "seconds"]);
    let take = "SELECT challenges_catalog.take_task('prune history', gen_random_uuid(), interval '1 minute')";
    database.execute(take).await;
    let second = run(&["history", "prune", "--yes", "--older-than", "1d"], &at).await;
    second.with(1, &["pruning already"]);
    assert_eq!(revisions(&database).await, 54);
}

#[tokio::test]
async fn a_slow_database_is_pruned_in_steps_within_the_time_of_a_statement() {
    let database = aged().await;
    let slow = "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_sleep(0.05);
            RETURN OLD;
        END $$;
        CREATE TRIGGER dawdle BEFORE DELETE ON challenges_catalog.challenge_revisions
        FOR EACH ROW EXECUTE FUNCTION dawdle()";
    database.execute(slow).await;
    let environment = [
        ("DATABASE_URL", database.url()),
        ("CATALOG_DB_STATEMENT_TIMEOUT", "1s".to_owned()),
        ("CATALOG_HISTORY_RETENTION", "30d".to_owned()),
    ];
    let out = run_well(&["history", "prune", "--yes"], &environment).await;
    assert_eq!(out, "36 revisions removed\n");
    assert_eq!(revisions(&database).await, 18);
}
