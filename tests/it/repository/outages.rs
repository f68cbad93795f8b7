//! The database dies, hangs, restarts, or cuts one connection.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use challenges_catalog::{
    domain::{Error, ListQuery, PageSize, Tag, Tell, Unavailability, Version},
    repository::{self, Datastore, Location, MigrateSettings, PoolSettings, migrate_up},
};

use super::{
    fixture::{ANYONE, HARD, Telling, challenge, id},
    registry, tips,
};
use crate::support::{
    postgres::{self, Database},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(20);

fn settings() -> PoolSettings {
    PoolSettings {
        min_connections: 8,
        max_connections: 8,
        acquire_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_millis(500),
        ..PoolSettings::default()
    }
}

async fn migrated(database: &Database) -> Arc<dyn Datastore> {
    let url = database.url();
    let location = Location::Postgres(&url);
    migrate_up(location, &MigrateSettings::default())
        .await
        .unwrap();
    repository::open(location, &settings()).unwrap()
}

fn everything() -> ListQuery {
    ListQuery::first(None, PageSize::DEFAULT)
}

fn is_outage(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable {
            why: Unavailability::Datastore,
            ..
        }
    )
}

#[tokio::test]
async fn a_restart_of_the_server_fails_no_read() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    let store = migrated(&database).await;
    store.fill_pools().await.unwrap();
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    server.kill();
    server.restart();
    // Every idle connection is dead now, more of them than one retry would pass.
    let (list, found, poll) = tokio::join!(
        async { store.list(&everything()).await },
        store.find_many(&[]),
        store.poll(0, ANYONE, Tell::Nothing)
    );
    list.unwrap();
    found.unwrap();
    poll.unwrap();
}

#[tokio::test]
async fn a_restart_of_the_server_fails_no_report_no_invalidation_and_no_tip() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    let store = migrated(&database).await;
    let told = registry::report(1, Version::default());
    let (tip, origin) = (tips::tip(1, 1, "text"), tips::origin(1));
    let attempt = tips::attempt(tips::days_from_now(0));
    for work in ["report", "invalidate", "save", "record", "take a task"] {
        store.fill_pools().await.unwrap();
        eventually("all wait in the pool", SOON, async || {
            store.pool().idle == settings().min_connections
        })
        .await;
        server.kill();
        server.restart();
        // And all are dead now.
        match work {
            "report" => store.report(&told).await.unwrap(),
            "save" => assert!(store.save(&tip, &origin).await.unwrap()),
            "record" => store.record(&attempt).await.unwrap(),
            "invalidate" => drop(store.invalidate(&[Tag::Everything], HARD).await.unwrap()),
            _ => assert!(store.take_task("warm", told.id, SOON).await.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_database_that_is_gone_or_hangs_is_an_outage_within_the_time_allowed() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    let store = migrated(&database).await;
    store.list(&everything()).await.unwrap();
    for end in ["pause", "kill"] {
        match end {
            "pause" => server.pause(),
            _ => server.kill(),
        }
        let asked = Instant::now();
        let told = registry::report(1, Version::default());
        let (list, found, poll, write, report, invalidation, save) = tokio::join!(
            async { store.list(&everything()).await.unwrap_err() },
            async { store.find_many(&[id(1)]).await.unwrap_err() },
            async { store.poll(0, ANYONE, Tell::Nothing).await.unwrap_err() },
            async {
                let new = challenge(1, "beginner", 10, "x");
                store.insert_missing(&[new]).await.unwrap_err()
            },
            async { store.report(&told).await.unwrap_err() },
            async {
                let tags = [Tag::Everything];
                store.invalidate(&tags, HARD).await.unwrap_err()
            },
            async {
                let (tip, origin) = (tips::tip(1, 1, "text"), tips::origin(1));
                store.save(&tip, &origin).await.unwrap_err()
            }
        );
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{end}: {:?}",
            asked.elapsed()
        );
        for error in [list, found, poll, write, report, invalidation, save] {
            assert!(is_outage(&error), "{end}: {error:?}");
        }
        if end == "pause" {
            server.resume();
            let back = async || store.list(&everything()).await.is_ok();
            eventually("it answers again", SOON, back).await;
        }
    }
    server.restart();
    let back = async || store.list(&everything()).await.is_ok();
    eventually("it answers again", SOON, back).await;
}

#[tokio::test]
async fn a_store_opens_before_its_database_is_there() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    migrated(&database).await;
    server.kill();
    let url = database.url();
    let store = repository::open(Location::Postgres(&url), &settings()).unwrap();
    store.check().await.unwrap_err();
    assert!(is_outage(
        &store.poll(0, ANYONE, Tell::Nothing).await.unwrap_err()
    ));
    server.restart();
    let ready = async || store.check().await.is_ok() && store.fill_pools().await.is_ok();
    eventually("it is ready", SOON, ready).await;
}

#[tokio::test]
async fn busy_reads_do_not_keep_polls_waiting() {
    let database = postgres::fresh().await;
    let store = migrated(&database).await;
    let mut lock = super::fixture::session(&database.url()).await;
    super::fixture::run(&mut lock, "BEGIN; LOCK TABLE approach_challenges").await;
    let busy = (0..16).map(|_| async { store.list(&everything()).await.unwrap_err() });
    let polls = async {
        let asked = Instant::now();
        store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
        asked.elapsed()
    };
    let (errors, poll) = tokio::join!(futures_util::future::join_all(busy), polls);
    assert!(errors.iter().all(is_outage), "{errors:?}");
    assert!(poll < Duration::from_millis(450), "{poll:?}");
}

#[tokio::test]
async fn a_commit_of_another_program_is_announced_and_again_after_the_link_was_cut() {
    let database = postgres::fresh().await;
    let store = migrated(&database).await;
    let listen = store.listen();
    let heard = async || {
        let hint = tokio::time::timeout(SOON, store.notified());
        hint.await.expect("a hint");
    };
    let listeners = "SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    let scene = async {
        for _ in 0..2 {
            // It may have missed something while it was not there.
            heard().await;
            let is_there = async || database.query_i64(listeners).await == 1;
            eventually("it listens", SOON, is_there).await;
            for title in ["a", "b"] {
                let write = format!(
                    "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', '{title}')"
                );
                database.execute(&write).await;
                heard().await;
            }
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE query LIKE 'LISTEN%' AND datname = current_database()";
            database.execute(cut).await;
            // The cut itself counts as a notification.
            heard().await;
        }
    };
    tokio::select! {
        () = listen => {}
        () = scene => {}
    }
}
