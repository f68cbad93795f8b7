//! What becomes of a catalog into which another one's own tables are replicated, and how that is reported and repaired.
use challenges_catalog::repository::{Location, verify};

use super::fixtures::{HISTORY, PATIENCE, both_migrated, serve, shows};
use crate::{
    standbys::fixtures::{lines, turns_stale},
    support::{fleet::titles, postgres::Database, program, wait::eventually},
};

const README: &str = include_str!("../../../migrations/README.md");

/// The findings about logical replication, in one line each.
async fn findings(database: &Database) -> Vec<String> {
    let report = verify(Location::Postgres(&database.url()), &|_, _| ())
        .await
        .unwrap();
    let findings = report.findings.iter().map(|one| {
        let severity = one.severity;
        format!("{severity} {}: {}", one.subject, one.text)
    });
    findings
        .filter(|line| line.contains("lication ") || line.contains("subscription "))
        .collect()
}

#[tokio::test]
async fn a_table_that_is_replicated_by_name_is_no_fault() {
    let servers = both_migrated().await;
    servers
        .replicate("TABLE public.approach_challenges, public.feature_flags")
        .await;
    assert_eq!(findings(&servers.publisher).await, Vec::<String>::new());
    assert_eq!(
        findings(&servers.subscriber).await,
        [
            "note subscription replicated: logical replication writes into public.approach_challenges: \
            its rows are noticed as those of other programs are"
        ]
    );
}

#[tokio::test]
async fn all_tables_are_told_by_verify_at_both_ends_and_repaired_as_the_readme_says() {
    let servers = both_migrated().await;
    program::run_well(&["seed"], &[("DATABASE_URL", servers.publisher.url())]).await;
    let replica = serve(&servers.subscriber).await;
    let publishing = serve(&servers.publisher).await;
    servers.subscribe("ALL TABLES").await;
    turns_stale(&replica).await;
    assert!(lines(&replica, "a poll of the database failed")[0].contains("duplicate key"));
    let (publisher, subscriber) = (
        findings(&servers.publisher).await,
        findings(&servers.subscriber).await,
    );
    assert_eq!(publisher.len(), 1, "{publisher:?}");
    assert!(
        publisher[0].starts_with(
            "warning publication replicated: it publishes tables of challenges_catalog ("
        ),
        "{publisher:?}"
    );
    let first = "error subscription replicated: it writes another database's bookkeeping into tables of challenges_catalog (";
    assert!(subscriber[0].starts_with(first), "{subscriber:?}");

    servers.unsubscribe().await;
    let (_, recipe) = README.split_once("```sql\n").unwrap();
    let (recipe, _) = recipe.split_once("```").unwrap();
    servers.subscriber.execute(recipe).await;
    let strays = "SELECT count(*) FROM challenges_catalog.challenge_revisions AS r
        WHERE NOT EXISTS (SELECT FROM challenges_catalog.edits AS e WHERE e.log_id = r.log_id OR e.xid = r.xid)";
    assert_eq!(servers.subscriber.query_i64(strays).await, 0);
    servers
        .subscriber
        .execute("DELETE FROM approach_challenges")
        .await;
    servers.replicate("TABLE public.approach_challenges").await;
    servers
        .publisher
        .execute("UPDATE approach_challenges SET title = 'repaired'")
        .await;
    servers.catch_up().await;
    let there = std::time::Instant::now();
    shows(&replica, there, "the stream is shown", |list| {
        titles(list).iter().all(|title| *title == "repaired")
    })
    .await;
    eventually("an edit is noted", PATIENCE, async || {
        let noted = format!("SELECT count(*) FROM {HISTORY} WHERE title = 'repaired'");
        servers.subscriber.query_i64(&noted).await == 18
    })
    .await;
    drop(publishing);
}
