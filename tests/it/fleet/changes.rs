//! Plain SQL by other programs shows on every replica; a cached answer costs nobody anything.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{AnswerSource, Difficulty};

use crate::ops::scene::{OPS, metric, metrics};
use crate::support::{
    fleet::{Fleet, list, titles},
    postgres::Database,
    wait::eventually,
};

/// What the contract promises.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);

/// A role as the app's other programs have it: rights on the one table, and nothing else.
async fn writer(database: &Database) -> String {
    let role = database.create_role("writer").await;
    let policy = "CREATE POLICY writers ON approach_challenges USING (true) WITH CHECK (true)";
    let grants =
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON approach_challenges TO {role}; {policy}");
    database.execute(&grants).await;
    role
}

async fn all_replicas_show(fleet: &Fleet, title: &str, shown: bool) {
    for replica in &fleet.replicas {
        let what = format!("{title:?} shown: {shown}");
        eventually(&what, VISIBLE_WITHIN, async || {
            let list = list(replica, Difficulty::Beginner, 20).await.unwrap();
            titles(&list).contains(&title) == shown
        })
        .await;
    }
}

#[tokio::test]
async fn plain_sql_of_a_role_with_rights_on_the_table_only_shows_on_every_replica() {
    let fleet = Fleet::start(3).await;
    let writer = writer(&fleet.database).await;
    let insert = "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'One')";
    fleet.database.execute_as(&writer, insert).await;
    all_replicas_show(&fleet, "One", true).await;
    let update = "UPDATE approach_challenges SET title = 'Two' WHERE title = 'One'";
    fleet.database.execute_as(&writer, update).await;
    all_replicas_show(&fleet, "Two", true).await;
    all_replicas_show(&fleet, "One", false).await;
    let delete = "DELETE FROM approach_challenges WHERE title = 'Two'";
    fleet.database.execute_as(&writer, delete).await;
    all_replicas_show(&fleet, "Two", false).await;
}

#[tokio::test]
async fn a_replica_learns_of_commits_from_the_one_that_looked() {
    let fleet = Fleet::start_with(3, &[OPS]).await;
    let update = "UPDATE approach_challenges SET title = title || '.' WHERE title LIKE 'A%'";
    eventually("two of three are told", VISIBLE_WITHIN * 10, async || {
        fleet.database.execute(update).await;
        let mut told = 0;
        for replica in &fleet.replicas {
            let page = metrics(replica).await;
            told += usize::from(metric(&page, "catalog_feed_news_total") > 0.0);
        }
        told >= 2
    })
    .await;
}

#[tokio::test]
async fn a_change_that_was_rolled_back_shows_nowhere() {
    let fleet = Fleet::start(2).await;
    let rolled_back = "BEGIN; UPDATE approach_challenges SET title = 'Never'; ROLLBACK";
    fleet.database.execute(rolled_back).await;
    // A change that does show proves that the feed has passed the one before it.
    let marker = "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'After')";
    fleet.database.execute(marker).await;
    all_replicas_show(&fleet, "After", true).await;
    all_replicas_show(&fleet, "Never", false).await;
}

#[tokio::test]
async fn a_hit_sends_no_statement_to_postgres_and_no_command_to_redis() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Beginner, 20).await.unwrap();
    let scripts = || -> u64 {
        let stats: String = fleet
            .redis
            .ask(bb8_redis::redis::cmd("INFO").arg("commandstats"));
        let of_scripts = stats
            .lines()
            .filter(|line| line.starts_with("cmdstat_eval"));
        let calls = of_scripts.filter_map(|line| line.split("calls=").nth(1)?.split(',').next());
        calls.map(|calls| calls.parse::<u64>().unwrap()).sum()
    };
    let before = (
        fleet.database.calls_of("%approach_challenges%").await,
        scripts(),
    );
    let hits = 100;
    for _ in 0..hits {
        let hit = list(replica, Difficulty::Beginner, 20).await.unwrap();
        assert!(hit.cached);
        assert_eq!(hit.freshness.unwrap().source(), AnswerSource::NearCache);
    }
    let after = (
        fleet.database.calls_of("%approach_challenges%").await,
        scripts(),
    );
    assert_eq!(before.0, after.0);
    // Once a second Redis is asked whether it takes writes, whoever calls.
    let sent = after.1 - before.1;
    assert!(sent < hits, "{sent} for {hits} hits");
}

#[tokio::test]
async fn a_fill_held_open_across_an_update_leaves_the_old_list_in_no_cache() {
    let fleet = Fleet::start_with_least_rights().await;
    let replica = &fleet.replicas[0];
    // A policy that waits for a lock holds every read of the table open, after its snapshot was taken.
    let hold = "
        CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN true; END $$;
        CREATE POLICY held ON approach_challenges AS RESTRICTIVE FOR SELECT USING (held());";
    fleet.database.execute(hold).await;
    // A read that shows more than its number says is made again: what DDL changed has its number before the test begins.
    fleet
        .database
        .execute("SELECT challenges_catalog.number(2000)")
        .await;
    let mut lock = fleet.database.connect().await;
    sqlx::query("SELECT pg_advisory_lock(42)")
        .execute(&mut lock)
        .await
        .unwrap();

    let reading = list(replica, Difficulty::Beginner, 37);
    let racing = async {
        let waiting = "SELECT count(*) FROM pg_locks
            WHERE locktype = 'advisory' AND objid = 42 AND NOT granted";
        eventually(
            "the fill waits in its statement",
            VISIBLE_WITHIN,
            async || fleet.database.query_i64(waiting).await > 0,
        )
        .await;
        let update = "UPDATE approach_challenges SET title = 'New ' || title";
        fleet.database.execute(update).await;
        sqlx::query("SELECT pg_advisory_unlock(42)")
            .execute(&mut lock)
            .await
            .unwrap();
    };
    let (old, ()) = tokio::join!(reading, racing);
    let is_new = |title: &&str| title.starts_with("New ");
    assert!(
        !titles(&old.unwrap()).iter().any(is_new),
        "it was read before the update"
    );

    eventually(
        "the new list, and never again the old one",
        VISIBLE_WITHIN,
        async || {
            let list = list(replica, Difficulty::Beginner, 37).await.unwrap();
            titles(&list).iter().all(is_new)
        },
    )
    .await;
    let keys: Vec<String> = fleet.redis.ask(bb8_redis::redis::cmd("KEYS").arg("*:37"));
    for key in keys {
        let body: Vec<u8> = fleet
            .redis
            .ask(bb8_redis::redis::cmd("HGET").arg(&key).arg("b"));
        assert!(String::from_utf8_lossy(&body).contains("New "), "{key}");
    }
}
