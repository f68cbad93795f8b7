//! What a round of numbering takes, and what it walks over.
use super::fixtures::{Scene, insert, insert_all, insert_each, run, told};

/// Takes one round, and tells whether it was the last one.
async fn number(scene: &Scene, most: u32) -> bool {
    let call = format!("SELECT challenges_catalog.number({most})::integer");
    scene.database.query_i64(&call).await == 1
}

/// How many commits have a number after `seq`.
async fn numbered_after(scene: &Scene, seq: i64) -> i64 {
    let count = format!("SELECT count(*) FROM challenges_catalog.commit_log WHERE seq > {seq}");
    scene.database.query_i64(&count).await
}

async fn head(scene: &Scene) -> i64 {
    let head = "SELECT max(seq) FROM challenges_catalog.commit_log";
    scene.database.query_i64(head).await
}

#[tokio::test]
async fn what_has_a_number_is_not_walked_over_however_long_a_transaction_stays_open() {
    let mut scene = Scene::new().await;
    let mut open = scene.writer().await;
    run(&mut open, &format!("BEGIN; {}", insert(1))).await;
    let mut writer = scene.writer().await;
    for number in 2..=300 {
        run(&mut writer, &insert(number)).await;
    }
    scene.told().await;
    run(&mut writer, &insert(301)).await;
    // In one transaction, which sees what it did itself.
    let mut look = scene.database.connect().await;
    run(&mut look, "BEGIN; SELECT challenges_catalog.number(2000)").await;
    let walked: i64 = sqlx::query_scalar(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_all_tables
        WHERE relname IN ('outbox', 'changed_challenges')",
    )
    .fetch_one(&mut look)
    .await
    .unwrap();
    run(&mut look, "COMMIT").await;
    assert!(walked < 20, "{walked} rows were read for one commit");
    assert_eq!(scene.told().await, told(301));
    run(&mut open, "COMMIT").await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn what_an_open_transaction_wrote_is_not_walked_over() {
    let mut scene = Scene::new().await;
    let look = "CREATE FUNCTION explained() RETURNS json LANGUAGE plpgsql SET enable_seqscan = off AS $$
        DECLARE
            plan json;
        BEGIN
            EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT FROM challenges_catalog.unnumbered' INTO plan;
            RETURN plan;
        END $$";
    scene.database.execute(look).await;
    let blocks = "SELECT (explained() -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint";
    let mut session = scene.database.connect().await;
    // The first time in a session reads the catalogs of the system too.
    let mut explained = async || -> i64 {
        let blocks = sqlx::query_scalar(blocks);
        blocks.fetch_one(&mut session).await.unwrap()
    };
    explained().await;
    let mut open = scene.writer().await;
    run(&mut open, &format!("BEGIN; {}", insert_all(1, 20_000))).await;
    let alone = explained().await;
    run(&mut scene.writer().await, &insert(30_000)).await;
    assert_eq!(scene.told().await, told(30_000));
    let beside_a_number = explained().await;
    for blocks in [alone, beside_a_number] {
        assert!(blocks < 100, "{blocks} blocks were read for nothing");
    }
    run(&mut open, "COMMIT").await;
    assert_eq!(scene.told().await, ["challenges", "flags"]);
}

#[tokio::test]
async fn a_round_takes_whole_transactions_and_the_next_goes_on_behind_them() {
    let scene = Scene::new().await;
    let before = head(&scene).await;
    let mut writer = scene.writer().await;
    for from in [1, 11, 21] {
        run(&mut writer, &insert_each(from, from + 9)).await;
    }
    assert!(!number(&scene, 25).await);
    assert_eq!(numbered_after(&scene, before).await, 2);
    assert!(number(&scene, 25).await);
    assert_eq!(numbered_after(&scene, before).await, 3);
}

#[tokio::test]
async fn a_transaction_that_fits_into_no_round_goes_alone_and_is_everything() {
    let mut scene = Scene::new().await;
    let before = head(&scene).await;
    let mut writer = scene.writer().await;
    run(&mut writer, &insert_each(1, 11)).await;
    run(&mut writer, &insert(12)).await;
    assert!(!number(&scene, 10).await);
    assert_eq!(numbered_after(&scene, before).await, 1);
    assert!(number(&scene, 10).await);
    assert_eq!(numbered_after(&scene, before).await, 2);
    let [second, beginner] = told(12);
    assert_eq!(
        scene.told().await,
        [
            second,
            "challenges".to_owned(),
            beginner,
            "flags".to_owned()
        ]
    );
}

#[tokio::test]
async fn one_that_fits_into_no_round_and_ends_late_takes_no_number_from_those_that_began_after_it()
{
    let mut scene = Scene::new().await;
    let mut large = scene.writer().await;
    run(&mut large, &format!("BEGIN; {}", insert_each(1, 11))).await;
    let mut open = scene.writer().await;
    run(&mut open, &format!("BEGIN; {}", insert(12))).await;
    let mut writer = scene.writer().await;
    run(&mut writer, &insert(13)).await;
    assert!(number(&scene, 10).await);
    assert_eq!(scene.told().await, told(13));
    let before = head(&scene).await;

    run(&mut large, "COMMIT").await;
    assert!(!number(&scene, 10).await);
    assert!(number(&scene, 10).await);
    assert_eq!(numbered_after(&scene, before).await, 1);
    run(&mut open, "COMMIT").await;
    assert!(number(&scene, 10).await);
    assert_eq!(numbered_after(&scene, before).await, 2);
}

#[tokio::test]
async fn more_than_a_thousand_statements_of_one_transaction_are_everything() {
    let scene = Scene::new().await;
    let mut writer = scene.writer().await;
    let tags =
        "SELECT cardinality(tags) FROM challenges_catalog.commit_log ORDER BY seq DESC LIMIT 1";
    run(&mut writer, &insert_each(1, 1_000)).await;
    number(&scene, 2_000).await;
    assert_eq!(scene.database.query_i64(tags).await, 1_001);
    run(&mut writer, &insert_each(1_001, 2_001)).await;
    number(&scene, 2_000).await;
    assert_eq!(scene.database.query_i64(tags).await, 2);
}

#[tokio::test]
async fn transactions_of_thousands_of_statements_are_numbered_one_after_the_other() {
    let mut scene = Scene::new().await;
    let before = head(&scene).await;
    let mut writers = Vec::new();
    // Open beside each other, so that each is in the snapshot of the others.
    for from in [10_000, 20_000, 30_000] {
        let mut writer = scene.writer().await;
        run(
            &mut writer,
            &format!("BEGIN; {}", insert_each(from, from + 2_100)),
        )
        .await;
        writers.push(writer);
    }
    for writer in &mut writers {
        run(writer, "COMMIT").await;
    }
    let first = scene.poll().await;
    assert!(!first.is_whole, "more is left than one poll takes");
    assert_eq!(numbered_after(&scene, before).await, 1);
    assert_eq!(scene.told().await, ["challenges", "flags"]);
    assert_eq!(numbered_after(&scene, before).await, 3);
    let revisions = "SELECT count(*) FROM challenges_catalog.changed_challenges AS c
        JOIN challenges_catalog.edits AS e ON e.xid = c.xid AND c.id BETWEEN e.log_id AND e.last_id";
    assert_eq!(scene.database.query_i64(revisions).await, 6_303);
}

#[tokio::test]
async fn a_statement_of_more_rows_than_a_round_takes_is_one_commit_and_everything() {
    let mut scene = Scene::new().await;
    let before = head(&scene).await;
    let mut writer = scene.writer().await;
    run(&mut writer, &insert_all(1, 2_500)).await;
    assert_eq!(scene.told().await, ["challenges", "flags"]);
    assert_eq!(numbered_after(&scene, before).await, 1);
}

#[tokio::test]
async fn a_transaction_that_numbers_gets_its_own_number_after_it_committed() {
    for (before, after) in [(insert(1), String::new()), (String::new(), insert(1))] {
        let mut scene = Scene::new().await;
        let mut owner = scene.database.connect().await;
        run(&mut owner, &format!("BEGIN; {before}")).await;
        // Others that begin later and end sooner.
        let mut writer = scene.writer().await;
        run(&mut writer, &insert(2)).await;
        let rest = format!("SELECT challenges_catalog.number(2000); {after} COMMIT");
        run(&mut owner, &rest).await;
        run(&mut writer, &insert(3)).await;
        let all = scene.told().await;
        for number in 1..=3 {
            assert!(told(number).iter().all(|tag| all.contains(tag)), "{all:?}");
        }
        assert_eq!(scene.told().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_new_history_may_begin_in_the_transaction_that_restored_the_rows() {
    let mut scene = Scene::new().await;
    let mut owner = scene.database.connect().await;
    let restore = format!(
        "BEGIN; {} SELECT challenges_catalog.begin_new_history(); {} COMMIT",
        insert(1),
        insert(2)
    );
    run(&mut owner, &restore).await;
    let history = scene.poll().await.database;
    let mut writer = scene.writer().await;
    run(&mut writer, &insert(3)).await;
    assert_eq!(scene.told().await, told(3));
    assert_eq!(scene.poll().await.database, history);
    let revisions = "SELECT (SELECT count(*) FROM challenges_catalog.challenge_revisions)
        + (SELECT count(*) FROM challenges_catalog.changed_challenges)";
    assert_eq!(scene.database.query_i64(revisions).await, 3);
}
