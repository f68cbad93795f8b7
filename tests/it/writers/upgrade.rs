//! A database of the release before is migrated while its fleet and other programs use it, and that fleet goes on beside the new one.
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use challenges_catalog::repository::{Location, MigrateSettings, migrate_up};
use sqlx::{Connection, PgConnection};

use super::{
    fixtures::{Scene, id, insert, insert_all, retitle, run, told},
    previous_release::{self, REPLICA, Replica},
};
use crate::support::{
    postgres::{self, Database},
    process::PATIENCE,
    wait::eventually,
};

async fn up(database: &Database) {
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
}

/// All that has to be there afterwards as it was.
const KEPT: &str = "SELECT concat_ws(E'\\n',
    (SELECT string_agg(concat_ws('|', id, challenge, operation, log_id, row), ' ' ORDER BY id)
        FROM challenges_catalog.challenge_revisions WHERE operation = 'created'),
    (SELECT string_agg(concat_ws('|', log_id, role, editor, seq, committed_at), ' ' ORDER BY log_id)
        FROM challenges_catalog.edits WHERE seq <= HEAD),
    (SELECT string_agg(t::text, ' ' ORDER BY challenge) FROM challenges_catalog.shown_tips AS t),
    (SELECT string_agg(f::text, ' ' ORDER BY name) FROM public.feature_flags AS f),
    (SELECT string_agg(s::text, ' ' ORDER BY name) FROM challenges_catalog.runtime_settings AS s),
    (SELECT encode(page_token_key, 'hex') FROM challenges_catalog.state),
    challenges_catalog.database())";

async fn fill(database: &Database) {
    let more = "
        INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', false);
        INSERT INTO challenges_catalog.runtime_settings (name, value) VALUES ('cache_ttl_seconds', 60);
        INSERT INTO challenges_catalog.shown_tips (challenge, key, content, text, created_at, expires_at)
        SELECT id, sha256('key'), sha256('content'), 'A tip', now(), 'infinity' FROM approach_challenges;";
    database.execute(&insert_all(1, 8)).await;
    database.execute(more).await;
}

#[tokio::test]
async fn it_is_migrated_under_load_and_nothing_is_lost_fails_or_lies() {
    let database = postgres::fresh().await;
    previous_release::migrate(&database).await;
    fill(&database).await;
    let head = "SELECT max(seq) FROM challenges_catalog.commit_log";
    let keep = KEPT.replace("HEAD", &database.query_text(head).await);
    let kept = database.query_text(&keep).await;
    let url = database.url();
    let (is_over, committed) = (Cell::new(false), RefCell::new(BTreeMap::new()));
    let write = async |number: u32| {
        let mut session = PgConnection::connect(&url).await.unwrap();
        let mut count = 0;
        while !is_over.get() {
            let update = retitle(number, &format!("{}", count + 1));
            run(&mut session, &format!("BEGIN; {update} SELECT 1; COMMIT;")).await;
            count += 1;
            committed.borrow_mut().insert(number, count);
        }
    };
    let read = async || {
        let mut replica = Replica::connect(&url).await;
        while !is_over.get() {
            replica.list().await.unwrap();
            assert_eq!(replica.find_many(&[id(1), id(2)]).await.unwrap(), 2);
            replica.poll(0).await.unwrap();
        }
    };
    let migrate = async {
        let has_begun = async || {
            committed.borrow().len() == 4 && committed.borrow().values().all(|count| *count > 10)
        };
        eventually("writers write", PATIENCE, has_begun).await;
        up(&database).await;
        let reached = committed.borrow().values().max().copied().unwrap_or(0) + 10;
        let go_on = async || committed.borrow().values().all(|count| *count > reached);
        eventually("writers go on", PATIENCE, go_on).await;
        is_over.set(true);
    };
    tokio::join!(
        write(1),
        write(2),
        write(3),
        write(4),
        read(),
        read(),
        migrate
    );
    assert_eq!(database.query_text(&keep).await, kept);
    let scene = Scene::migrate(database).await;
    scene.settle().await;
    for (number, count) in committed.into_inner() {
        assert_eq!(updates_of(&scene.database, number).await, count, "{number}");
    }
}

/// How many revisions a challenge has that have a numbered commit.
async fn updates_of(database: &Database, number: u32) -> i64 {
    let revisions = format!(
        "SELECT count(*) FROM challenges_catalog.challenge_revisions AS r
        JOIN challenges_catalog.edits AS e
            ON (r.xid IS NULL AND e.log_id = r.log_id)
            OR (e.xid = r.xid AND r.log_id BETWEEN e.log_id AND e.last_id)
        WHERE r.operation = 'updated' AND e.seq IS NOT NULL AND r.challenge = '{}'",
        id(number)
    );
    database.query_i64(&revisions).await
}

#[tokio::test]
async fn revisions_of_a_writer_who_is_waited_for_share_no_id_with_later_ones() {
    let database = postgres::fresh().await;
    previous_release::migrate_to(&database, 12).await;
    let mut writer = database.connect().await;
    run(&mut writer, &format!("BEGIN; {}", insert_all(1, 50))).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let commit = async {
        eventually("the migration waits", PATIENCE, async || {
            database.query_i64(waiting).await > 0
        })
        .await;
        run(&mut writer, "COMMIT").await;
    };
    tokio::join!(up(&database), commit);
    let scene = Scene::migrate(database).await;
    run(&mut scene.writer().await, &insert_all(51, 150)).await;
    scene.settle().await;
    assert_eq!(scene.noted().await.len(), 150);
}

/// Both fleets on one database, and a writer.
async fn both_fleets() -> (Scene, Replica) {
    let database = postgres::fresh().await;
    previous_release::migrate(&database).await;
    let role = previous_release::serving_role(&database).await;
    let scene = Scene::migrate(database).await;
    let replica = Replica::connect(&scene.database.url_as(&role)).await;
    (scene, replica)
}

#[tokio::test]
async fn a_replica_of_before_vouches_for_nothing_while_a_commit_has_no_number() {
    let (scene, mut replica) = both_fleets().await;
    replica.report(0).await;
    assert!(replica.poll(0).await.unwrap().registered);
    run(&mut scene.writer().await, &insert(1)).await;
    let page = replica.poll(0).await.unwrap();
    assert!(!page.registered, "{page:?}");
    // Then it registers again, which numbers.
    replica.report(page.head).await;
    let next = replica.poll(page.head).await.unwrap();
    assert!(next.registered);
    assert_eq!(next.tags, told(1));
}

#[tokio::test]
async fn a_list_of_before_shows_all_that_its_stamp_says() {
    let (scene, mut replica) = both_fleets().await;
    let mut writer = scene.writer().await;
    for number in 1..=20 {
        run(&mut writer, &insert(number)).await;
        replica.report(0).await;
        let (stamp, titles) = replica.list().await.unwrap();
        let page = replica.poll(stamp).await.unwrap();
        assert_eq!((page.tags.len(), titles.len()), (0, number as usize));
    }
}

#[tokio::test]
async fn both_fleets_are_told_the_same_in_the_same_history() {
    let (mut scene, mut replica) = both_fleets().await;
    let page = replica.poll(0).await.unwrap();
    run(&mut scene.writer().await, &insert(1)).await;
    assert_eq!(scene.told().await, told(1));
    let next = replica.poll(page.head).await.unwrap();
    assert_eq!((next.tags, next.history), (told(1).to_vec(), page.history));
}

#[tokio::test]
async fn what_a_replica_of_before_invalidates_is_told_to_all() {
    let (mut scene, mut replica) = both_fleets().await;
    let call = "SELECT challenges_catalog.invalidate(ARRAY['difficulty:advanced'], true)";
    replica.call(call).await;
    assert_eq!(scene.told().await, ["difficulty:advanced"]);
}

#[tokio::test]
async fn a_replica_of_before_prunes_acknowledges_and_leaves() {
    let (mut scene, mut replica) = both_fleets().await;
    replica.report(1).await;
    let known = format!(
        "SELECT count(*) FROM challenges_catalog.registry WHERE id = '{REPLICA}' AND seq = "
    );
    replica
        .call("SELECT challenges_catalog.acknowledge('00000000-0000-0000-0000-000000000001', 1, 2)")
        .await;
    assert_eq!(scene.database.query_i64(&format!("{known} 2")).await, 1);
    replica
        .call("SELECT challenges_catalog.leave('00000000-0000-0000-0000-000000000001')")
        .await;
    assert_eq!(scene.database.query_i64(&format!("{known} 2")).await, 0);
    run(&mut scene.writer().await, &insert(1)).await;
    scene.told().await;
    replica
        .call("SELECT challenges_catalog.prune(interval '0')")
        .await;
    let kept = "SELECT count(*) FROM challenges_catalog.commit_log";
    assert_eq!(scene.database.query_i64(kept).await, 1);
}
