//! Numbering is ended at any statement, or the server crashes: nothing is lost, no number is given twice, and no gap hides a commit.
use std::cell::Cell;

use sqlx::{Connection, PgConnection};

use super::fixtures::{Scene, id, insert, insert_each, run, told};
use crate::support::{process::PATIENCE, wait::eventually};

const NUMBER: &str = "SELECT challenges_catalog.number(2000)";
/// Taken by whoever wants a statement of numbering to wait.
const PAUSE: &str = "SELECT pg_advisory_lock(4711)";

/// Lets numbering wait where it writes one of our tables; `row` is what it does there.
async fn pause_at(scene: &Scene, table: &str, moment: &str) -> PgConnection {
    let trigger = format!(
        "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
        CREATE TRIGGER pause {moment} ON challenges_catalog.{table} FOR EACH ROW EXECUTE FUNCTION pause();"
    );
    scene.database.execute(&trigger).await;
    let mut holder = scene.database.connect().await;
    run(&mut holder, PAUSE).await;
    holder
}

/// Begins numbering in a session of its own, and ends that when it waits.
async fn kill_when_it_waits(scene: &Scene) {
    let mut session = scene.database.connect().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut session)
        .await
        .unwrap();
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock' AND query LIKE '%number%'"
    );
    let (ended, ()) = tokio::join!(sqlx::query(NUMBER).execute(&mut session), async {
        eventually("numbering waits", PATIENCE, async || {
            scene.database.query_i64(&waiting).await == 1
        })
        .await;
        let kill = format!("SELECT pg_terminate_backend({pid})");
        scene.database.execute(&kill).await;
    });
    ended.unwrap_err();
}

/// The changes of challenges 1 and 2 are reported, each once, though numbering was ended in between.
async fn is_ended_at(scene: &mut Scene, table: &str, moment: &str) {
    let mut holder = pause_at(scene, table, moment).await;
    run(&mut scene.writer().await, &insert(1)).await;
    kill_when_it_waits(scene).await;
    run(&mut holder, "SELECT pg_advisory_unlock_all()").await;
    let remove = format!("DROP TRIGGER pause ON challenges_catalog.{table}; DROP FUNCTION pause()");
    scene.database.execute(&remove).await;
    assert_eq!(scene.told().await, told(1), "{moment} {table}");
    run(&mut scene.writer().await, &insert(2)).await;
    assert_eq!(scene.told().await, told(2), "{moment} {table}");
    let each = "SELECT count(*) FROM (
        SELECT FROM challenges_catalog.edits GROUP BY xid HAVING count(*) > 1 OR count(DISTINCT seq) > 1) AS twice";
    assert_eq!(scene.database.query_i64(each).await, 0);
}

#[tokio::test]
async fn ended_while_it_waits_for_its_turn_it_leaves_all_to_the_next() {
    let mut scene = Scene::new().await;
    let mut holder = scene.database.connect().await;
    let hold = "BEGIN; LOCK TABLE challenges_catalog.numbering IN EXCLUSIVE MODE";
    run(&mut holder, hold).await;
    run(&mut scene.writer().await, &insert(1)).await;
    kill_when_it_waits(&scene).await;
    run(&mut holder, "ROLLBACK").await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn ended_while_it_writes_the_log_it_leaves_all_to_the_next() {
    is_ended_at(&mut Scene::new().await, "commit_log", "BEFORE INSERT").await;
}

#[tokio::test]
async fn ended_while_it_writes_who_edited_it_leaves_all_to_the_next() {
    is_ended_at(&mut Scene::new().await, "edits", "AFTER INSERT").await;
}

#[tokio::test]
async fn ended_while_it_reserves_numbers_it_leaves_all_to_the_next() {
    let mut scene = Scene::new().await;
    // The next number is one that has to be reserved.
    scene
        .database
        .execute(
            "UPDATE challenges_catalog.numbering
            SET xid = pg_current_xact_id(), reserved = (SELECT max(seq) FROM challenges_catalog.commit_log)",
        )
        .await;
    is_ended_at(&mut scene, "numbering", "BEFORE UPDATE").await;
}

#[tokio::test]
async fn ended_while_it_begins_anew_it_leaves_all_to_the_next() {
    let mut scene = Scene::new().await;
    let before = scene.poll().await;
    // As a crash does.
    scene
        .database
        .execute("DELETE FROM challenges_catalog.uninterrupted")
        .await;
    let mut holder = pause_at(&scene, "uninterrupted", "BEFORE INSERT").await;
    run(&mut scene.writer().await, &insert(1)).await;
    kill_when_it_waits(&scene).await;
    run(&mut holder, "SELECT pg_advisory_unlock_all()").await;
    let after = scene.poll().await;
    assert_eq!(after.database, before.database);
    assert!(
        after.head.seq > before.head.seq + 1,
        "what is reserved is passed over"
    );
    assert!(after.is_whole);
}

/// How many commits have changed challenges, all of which are in the log once; less than none where one is not.
const IN_THE_LOG: &str = "SELECT CASE WHEN bool_and(n.times = 1) THEN count(*) ELSE -1 END FROM (
        SELECT (SELECT count(*) FROM challenges_catalog.commit_log AS l WHERE l.xid = c.xid) AS times
        FROM challenges_catalog.changed_challenges AS c GROUP BY c.xid) AS n";

/// Numbers without a pause, in one session after the other, until `is_over`.
async fn number_again_and_again(url: &str, is_over: &Cell<bool>) {
    while !is_over.get() {
        let mut session = PgConnection::connect(url).await.unwrap();
        run(&mut session, "SET application_name = 'numbering'").await;
        while !is_over.get() && sqlx::query(NUMBER).execute(&mut session).await.is_ok() {}
    }
}

/// Ends those sessions without a pause.
async fn kill_again_and_again(url: &str, is_over: &Cell<bool>) {
    let mut killer = PgConnection::connect(url).await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'numbering' AND datname = current_database()";
    while !is_over.get() {
        run(&mut killer, kill).await;
    }
}

#[tokio::test]
async fn ended_again_and_again_it_tells_a_follower_of_every_commit_once() {
    const EACH: u32 = 120;
    let mut scene = Scene::new().await;
    let mut writers = [scene.writer().await, scene.writer().await];
    let url = scene.database.url();
    let is_over = Cell::new(false);
    let write = async |writer: &mut PgConnection, from: u32| {
        for number in from..from + EACH {
            run(writer, &insert(number)).await;
        }
    };
    let follow = async {
        let mut heard = Vec::new();
        while heard.len() < 2 * EACH as usize {
            let told = scene.told().await;
            heard.extend(told.into_iter().filter(|tag| tag.starts_with("challenge:")));
        }
        is_over.set(true);
        heard
    };
    let [first, second] = &mut writers;
    let (mut heard, ..) = tokio::join!(
        follow,
        write(first, 1_000),
        write(second, 2_000),
        number_again_and_again(&url, &is_over),
        kill_again_and_again(&url, &is_over)
    );
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 2 * EACH as usize);
}

#[tokio::test]
async fn after_a_crash_no_number_is_given_again_and_everything_counts_as_changed() {
    let mut scene = Scene::with(&[]).await;
    let mut history = scene.poll().await.database;
    for round in 0..2 {
        run(&mut scene.writer().await, &insert(round)).await;
        // The number is given out and need not be on the disk.
        let before = scene.poll().await;
        assert_eq!(before.database, history);
        scene.crash();
        let rows = format!(
            "SELECT count(*) FROM approach_challenges WHERE id = '{}'",
            id(round)
        );
        assert_eq!(
            scene.database.query_i64(&rows).await,
            1,
            "what was committed is there"
        );
        let after = scene.poll().await;
        history = after.database;
        assert_eq!(history, before.database, "it is the same history");
        assert!(
            after.head.seq > before.head.seq,
            "{:?} after {:?}",
            after.head,
            before.head
        );
        let whole = scene.told().await;
        assert!(whole.is_empty(), "{whole:?}");
        run(&mut scene.writer().await, &insert(round + 1_000)).await;
        assert_eq!(scene.told().await, told(round + 1_000));
    }
}

#[tokio::test]
async fn what_had_no_number_when_the_server_crashed_gets_one() {
    let mut scene = Scene::with(&[]).await;
    run(&mut scene.writer().await, &insert(1)).await;
    run(&mut scene.writer().await, &insert_each(2, 1_900)).await;
    scene.crash();
    let page = scene.poll().await;
    assert!(page.is_whole);
    assert_eq!(scene.database.query_i64(IN_THE_LOG).await, 2);
    let edits = "SELECT count(*) FROM challenges_catalog.changed_challenges AS r
        JOIN challenges_catalog.edits AS e ON e.xid = r.xid AND r.id BETWEEN e.log_id AND e.last_id";
    assert_eq!(scene.database.query_i64(edits).await, 1_900);
}
