//! Locks of others, in any order: the watched table knows no wait and no deadlock that a plain one does not.
use sqlx::PgConnection;

use super::fixtures::{Scene, id, insert, retitle, run, try_run};
use crate::support::{process::PATIENCE, wait::eventually};

/// Challenges 1 to 8, and what programs have beside them.
async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    for number in 1..=8 {
        scene.database.execute(&insert(number)).await;
    }
    let theirs = format!(
        "CREATE TABLE counter AS SELECT 0 AS total;
        CREATE TABLE counted (challenge uuid REFERENCES approach_challenges (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE FUNCTION count_one() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN UPDATE public.counter SET total = total + 1; RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER counts AFTER INSERT ON counted DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION count_one();
        GRANT ALL ON counter, counted TO {role}; GRANT CREATE ON SCHEMA public TO {role};",
        role = scene.role
    );
    scene.database.execute(&theirs).await;
    scene.told().await;
    scene
}

async fn begin(scene: &Scene, statements: &str) -> PgConnection {
    let mut writer = scene.writer().await;
    run(&mut writer, &format!("BEGIN; {statements}")).await;
    writer
}

/// Runs a statement that has to wait, and meanwhile what ends the wait.
async fn waits(
    scene: &Scene,
    session: &mut PgConnection,
    statement: &str,
    ending: impl Future<Output = ()>,
) -> Result<(), sqlx::Error> {
    let (done, ()) = tokio::join!(try_run(session, statement), async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("it waits", PATIENCE, async || {
            scene.database.query_i64(waiting).await == 1
        })
        .await;
        ending.await;
    });
    done
}

fn is_deadlock(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code().map(|code| code == "40P01"))
        == Some(true)
}

#[tokio::test]
async fn in_a_deadlock_of_two_rows_one_writer_goes_on_and_is_told() {
    let mut scene = scene().await;
    let mut first = begin(&scene, &retitle(1, "first")).await;
    let mut second = begin(&scene, &retitle(2, "second")).await;
    let crossed = [retitle(2, "both"), retitle(1, "both")];
    let (a, b) = tokio::join!(
        try_run(&mut first, &crossed[0]),
        try_run(&mut second, &crossed[1])
    );
    let failed: Vec<_> = [a, b].into_iter().filter_map(Result::err).collect();
    assert!(failed.len() == 1 && is_deadlock(&failed[0]), "{failed:?}");
    run(&mut first, "COMMIT").await;
    run(&mut second, "COMMIT").await;
    assert_eq!(scene.told().await.len(), 3);
}

#[tokio::test]
async fn two_who_write_two_rows_in_one_order_wait_and_commit() {
    let mut scene = scene().await;
    let mut first = begin(&scene, &retitle(1, "first")).await;
    let mut second = begin(&scene, "").await;
    let both = format!("{} {} COMMIT", retitle(1, "second"), retitle(2, "second"));
    waits(&scene, &mut second, &both, async {
        run(&mut first, &format!("{} COMMIT", retitle(2, "first"))).await;
    })
    .await
    .unwrap();
    let titles = "SELECT count(*) FROM approach_challenges WHERE title = 'second'";
    assert_eq!(scene.database.query_i64(titles).await, 2);
    assert_eq!(scene.told().await.len(), 3);
}

#[tokio::test]
async fn all_constraints_immediate_and_then_a_row_of_one_that_commits_is_no_deadlock() {
    let scene = scene().await;
    let mut first = begin(
        &scene,
        &format!("SET CONSTRAINTS ALL IMMEDIATE; {}", retitle(1, "first")),
    )
    .await;
    let mut second = begin(&scene, &retitle(2, "second")).await;
    // Nothing is waited for in COMMIT.
    run(&mut second, "SET LOCAL lock_timeout = 1; COMMIT").await;
    run(&mut first, &format!("{} COMMIT", retitle(2, "first"))).await;
}

#[tokio::test]
async fn a_deferred_key_and_a_counter_of_others_are_no_deadlock() {
    let scene = scene().await;
    let count = format!(
        "{} INSERT INTO counted VALUES ('{}');",
        retitle(1, "first"),
        id(1)
    );
    let mut first = begin(&scene, &count).await;
    let mut second = begin(
        &scene,
        &format!(
            "UPDATE counter SET total = total + 1; {}",
            retitle(2, "second")
        ),
    )
    .await;
    // COMMIT of the first counts behind the second.
    waits(&scene, &mut first, "COMMIT", run(&mut second, "COMMIT"))
        .await
        .unwrap();
    assert_eq!(
        scene.database.query_i64("SELECT total FROM counter").await,
        2
    );
}

#[tokio::test]
async fn advisory_locks_of_others_before_and_after_their_writes_are_no_deadlock() {
    let scene = scene().await;
    // The last is the one that NOTIFY takes, if it is free.
    for lock in ["1", "7161132859655742317", "7161094785523310113"] {
        let before = format!(
            "SELECT pg_advisory_xact_lock({lock}); {}",
            retitle(1, "first")
        );
        let mut first = begin(&scene, &before).await;
        let mut second = begin(&scene, &retitle(2, "second")).await;
        let take = format!("SELECT pg_advisory_xact_lock({lock})");
        waits(&scene, &mut second, &take, run(&mut first, "COMMIT"))
            .await
            .unwrap();
        run(&mut second, "COMMIT").await;
    }
}

#[tokio::test]
async fn who_holds_the_lock_of_hints_keeps_hints_away_and_nothing_else() {
    let mut scene = scene().await;
    let mut holder = scene.writer().await;
    run(&mut holder, "SELECT pg_advisory_lock(7161094785523310113)").await;
    let mut writer = scene.writer().await;
    run(
        &mut writer,
        &format!("SET lock_timeout = 1; {}", retitle(1, "other")),
    )
    .await;
    assert_eq!(scene.told().await.len(), 2);
}

#[tokio::test]
async fn writers_of_different_rows_commit_at_every_isolation_level() {
    let scene = scene().await;
    for level in ["SERIALIZABLE", "REPEATABLE READ"] {
        let mut writers = Vec::new();
        for number in 1..=8 {
            // By the index: a scan of the whole table would read what the others write.
            let mut writer = scene.writer().await;
            run(&mut writer, "SET enable_seqscan = off").await;
            // Of a column that no index has, so that a plain table's indexes are not written either.
            let update = format!(
                "BEGIN ISOLATION LEVEL {level};
                UPDATE public.approach_challenges SET tips = '{level}' WHERE id = '{}'",
                id(number)
            );
            run(&mut writer, &update).await;
            writers.push(writer);
        }
        for writer in &mut writers {
            run(writer, "COMMIT").await;
        }
    }
    let told =
        "SELECT count(*) FROM challenges_catalog.changed_challenges WHERE tips = 'SERIALIZABLE'";
    assert_eq!(scene.database.query_i64(told).await, 8);
}

#[tokio::test]
async fn two_who_write_one_row_at_repeatable_read_fail_as_on_a_plain_table() {
    let mut scene = scene().await;
    for level in ["SERIALIZABLE", "REPEATABLE READ"] {
        let mut first = scene.writer().await;
        run(
            &mut first,
            &format!("BEGIN ISOLATION LEVEL {level}; {}", retitle(1, level)),
        )
        .await;
        let mut second = scene.writer().await;
        run(&mut second, &format!("BEGIN ISOLATION LEVEL {level}")).await;
        let refused = waits(
            &scene,
            &mut second,
            &retitle(1, "second"),
            run(&mut first, "COMMIT"),
        )
        .await;
        let code = refused.unwrap_err();
        let code = code
            .as_database_error()
            .unwrap()
            .code()
            .unwrap()
            .into_owned();
        assert_eq!(code, "40001");
        run(&mut second, "ROLLBACK").await;
        assert_eq!(scene.told().await.len(), 2, "one is told");
    }
}
