//! Writers whose sessions have odd settings, or hardly any rights, write as on any other table.
use sqlx::PgConnection;

use super::fixtures::{Scene, insert, insert_each, retitle, run, told, try_run};

/// A session with these settings, beside challenge 1.
async fn session(settings: &str) -> (Scene, PgConnection) {
    let mut scene = Scene::new().await;
    scene.database.execute(&insert(1)).await;
    scene.told().await;
    let mut writer = scene.writer().await;
    run(&mut writer, settings).await;
    (scene, writer)
}

/// Each kind of write goes through with these settings, and is noticed.
async fn all_writes_are_told(settings: &str) {
    let (mut scene, mut writer) = session(settings).await;
    let write = async |writer: &mut PgConnection, sql: &str| {
        run(writer, sql).await;
    };
    write(&mut writer, &insert(2)).await;
    assert_eq!(scene.told().await, told(2), "{settings}");
    write(&mut writer, &retitle(2, "other")).await;
    assert_eq!(scene.told().await, told(2), "{settings}");
    write(
        &mut writer,
        "DELETE FROM public.approach_challenges WHERE title = 'other'",
    )
    .await;
    assert_eq!(scene.told().await, told(2), "{settings}");
    write(&mut writer, "TRUNCATE public.approach_challenges").await;
    assert!(
        scene.told().await.contains(&"challenges".to_owned()),
        "{settings}"
    );
}

#[tokio::test]
async fn an_empty_search_path_costs_no_write() {
    all_writes_are_told("SET search_path = ''").await;
}

#[tokio::test]
async fn a_search_path_to_functions_of_others_runs_none_of_them() {
    let (mut scene, mut writer) = session("SELECT").await;
    let theirs = format!(
        "CREATE SCHEMA theirs AUTHORIZATION {role};
        SET ROLE {role};
        CREATE FUNCTION theirs.pg_notify(text, text) RETURNS void LANGUAGE plpgsql
            AS 'BEGIN RAISE EXCEPTION ''run''; END';
        CREATE FUNCTION theirs.now() RETURNS timestamptz LANGUAGE plpgsql
            AS 'BEGIN RAISE EXCEPTION ''run''; END';
        CREATE FUNCTION theirs.current_setting(text) RETURNS text LANGUAGE plpgsql
            AS 'BEGIN RAISE EXCEPTION ''run''; END';",
        role = scene.role
    );
    scene.database.execute(&theirs).await;
    run(&mut writer, "SET search_path = theirs, pg_catalog, public").await;
    run(&mut writer, &retitle(1, "other")).await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn a_writer_who_waits_for_no_lock_waits_for_none() {
    all_writes_are_told("SET lock_timeout = 1").await;
}

#[tokio::test]
async fn a_writer_whose_statements_end_after_50_ms_writes() {
    // The statements of these writes are long done by then, also on a busy machine: but not one that waits.
    let (mut scene, mut writer) = session("SET statement_timeout = '50ms'").await;
    let mut open = scene.writer().await;
    run(&mut open, &format!("BEGIN; {}", insert(2))).await;
    let mut written = false;
    for _ in 0..20 {
        written |= try_run(&mut writer, &retitle(1, "other")).await.is_ok();
    }
    assert!(written);
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn any_isolation_level_will_do() {
    let (mut scene, mut writer) = session("SELECT").await;
    for level in [
        "serializable",
        "repeatable read",
        "read committed",
        "read uncommitted",
    ] {
        let isolate = format!("SET default_transaction_isolation = '{level}';");
        run(&mut writer, &(isolate + &retitle(1, level))).await;
        assert_eq!(scene.told().await, told(1), "{level}");
    }
}

#[tokio::test]
async fn a_session_that_is_read_only_by_default_writes_in_a_transaction_that_is_not() {
    let (mut scene, mut writer) = session("SET default_transaction_read_only = on").await;
    let refused = try_run(&mut writer, &retitle(1, "other"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("read-only transaction"),
        "{refused}"
    );
    let write = format!("BEGIN READ WRITE; {} COMMIT", retitle(1, "other"));
    run(&mut writer, &write).await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn a_role_without_any_right_on_our_schema_writes() {
    let (mut scene, mut writer) = session("SELECT").await;
    let rights = format!(
        "SELECT count(*) FROM pg_namespace
        WHERE nspname = 'challenges_catalog' AND has_schema_privilege('{}', oid, 'USAGE')",
        scene.role
    );
    assert_eq!(scene.database.query_i64(&rights).await, 0);
    run(&mut writer, &retitle(1, "other")).await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn a_session_that_plays_replica_is_told_of_every_write() {
    let mut scene = Scene::new().await;
    let mut writer = scene.database.connect().await;
    run(&mut writer, "SET session_replication_role = replica").await;
    run(&mut writer, &insert(1)).await;
    assert_eq!(scene.told().await, told(1));
    run(&mut writer, &retitle(1, "other")).await;
    assert_eq!(scene.told().await, told(1));
    run(&mut writer, "DELETE FROM approach_challenges").await;
    assert_eq!(scene.told().await, told(1));
    run(&mut writer, "TRUNCATE approach_challenges").await;
    assert_eq!(scene.told().await, ["challenges"]);
}

#[tokio::test]
async fn of_savepoints_what_stays_is_told_and_nothing_else() {
    let (mut scene, mut writer) = session("SELECT").await;
    let nested = format!(
        "BEGIN;
        {} SAVEPOINT a; {} SAVEPOINT b; {} ROLLBACK TO a; {} SAVEPOINT b; {} RELEASE b; RELEASE a;
        COMMIT",
        insert(2),
        insert(3),
        insert(4),
        insert(5),
        insert(6)
    );
    run(&mut writer, &nested).await;
    let ids = [2, 5, 6].map(|number| told(number)[0].clone());
    let told = scene.told().await;
    assert_eq!(
        told,
        [&ids[..], &["difficulty:beginner".to_owned()]].concat()
    );
    assert_eq!(scene.noted().await.len(), 4);
}

#[tokio::test]
async fn statements_that_fail_in_a_block_of_their_own_take_nothing_else_away() {
    let (mut scene, mut writer) = session("SELECT").await;
    let block = "DO $$ BEGIN
        FOR number IN 2..20 LOOP
            BEGIN
                INSERT INTO public.approach_challenges (id, difficulty, title)
                VALUES (lpad(number::text, 32, '0')::uuid, 'beginner', 'new');
                IF number % 2 = 1 THEN
                    RAISE EXCEPTION 'no';
                END IF;
            EXCEPTION WHEN raise_exception THEN NULL;
            END;
        END LOOP;
    END $$";
    run(&mut writer, block).await;
    let mut expected: Vec<_> = (2..=20).step_by(2).flat_map(told).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(scene.told().await, expected);
}

#[tokio::test]
async fn a_transaction_that_was_rolled_back_after_thousands_of_statements_is_never_told() {
    let (mut scene, mut writer) = session("SELECT").await;
    run(
        &mut writer,
        &format!("BEGIN; {} ROLLBACK", insert_each(2, 2_500)),
    )
    .await;
    assert!(scene.told().await.is_empty());
}
