//! `serve` runs with exactly the rights of migrations/grants.sql; nobody else has any of ours.
use std::{path::Path, time::Duration};

use challenges_catalog::{
    domain::{ControlKind, Flag, ListQuery, PageSize, Tag, Tell, Version},
    repository::{Location, MigrateSettings, PoolSettings, migrate_up, open, verify},
};
use tokio::process::Command;

use super::{
    controls,
    fixture::{ANYONE, HARD, Telling, challenge, id, tags},
    registry, tips,
};
use crate::support::postgres::{self, Database};

async fn served() -> (Database, String) {
    let database = postgres::fresh().await;
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
    // Only then is public what it is from PostgreSQL 15 on: open to read, closed to create.
    let role = database.create_role("serve").await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/grants.sql");
    let done = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set",
            &format!("role={role}"),
            "--file",
        ])
        .arg(script)
        .arg(database.url())
        .output()
        .await
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    (database, role)
}

#[tokio::test]
async fn the_serving_role_reads_polls_listens_and_prunes() {
    let (database, role) = served().await;
    let owner = open(
        Location::Postgres(&database.url()),
        &PoolSettings::default(),
    )
    .unwrap();
    let store = open(
        Location::Postgres(&database.url_as(&role)),
        &PoolSettings::default(),
    )
    .unwrap();
    store.check().await.unwrap();
    store.fill_pools().await.unwrap();
    store.prune().await.unwrap();
    assert_eq!(
        store.page_token_key().await.unwrap(),
        owner.page_token_key().await.unwrap()
    );
    let before = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    let new = challenge(1, "beginner", 10, "x");
    let listen = async {
        tokio::select! {
            () = store.listen() => {}
            // The first notification says that it listens.
            () = async { store.notified().await; owner.insert_missing(&[new]).await.unwrap(); store.notified().await; } => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listen)
        .await
        .unwrap();
    let page = store
        .poll(before.head.seq, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(tags(&page.changes).len(), 2);
    let query = ListQuery::first(None, PageSize::DEFAULT);
    assert_eq!(store.list(&query).await.unwrap().value.total_count, 1);
    assert_eq!(store.find_many(&[id(1)]).await.unwrap().value.len(), 1);
    let report = verify(Location::Postgres(&database.url_as(&role)), &|_, _| ())
        .await
        .unwrap();
    assert!(report.findings.is_empty(), "{report:#?}");
}

#[tokio::test]
async fn the_serving_role_registers_takes_tasks_and_invalidates() {
    let (database, role) = served().await;
    let store = open(
        Location::Postgres(&database.url_as(&role)),
        &PoolSettings::default(),
    )
    .unwrap();
    let before = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    let version = Version {
        database: before.database,
        stamp: before.head,
    };
    let told = registry::report(1, version);
    store.report(&told).await.unwrap();
    let commit = store.invalidate(&[Tag::Everything], HARD).await.unwrap();
    store.acknowledge(told.id, commit).await.unwrap();
    assert_eq!(store.replicas().await.unwrap()[0].report.applied, commit);
    let page = store
        .poll(before.head.seq, told.id, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!((page.head, page.registered), (commit.stamp, true));
    assert_eq!(tags(&page.changes), ["challenges"]);
    let minute = Duration::from_mins(1);
    assert!(store.take_task("warm", told.id, minute).await.unwrap());
    store.drop_task("warm", told.id).await.unwrap();
    store.leave(told.id).await.unwrap();
    assert!(
        !store
            .poll(0, told.id, Tell::Nothing)
            .await
            .unwrap()
            .registered
    );
}

#[tokio::test]
async fn the_serving_role_keeps_tips_and_books() {
    let (database, role) = served().await;
    let store = open(
        Location::Postgres(&database.url_as(&role)),
        &PoolSettings::default(),
    )
    .unwrap();
    let (tip, origin) = (tips::tip(1, 1, "text"), tips::origin(1));
    assert!(store.save(&tip, &origin).await.unwrap());
    assert_eq!(store.find(tip.key).await.unwrap(), Some(tip.clone()));
    let newest = store.newest(origin.challenge, &origin.locale, &origin.persona);
    assert_eq!(newest.await.unwrap(), Some(tip));
    let attempt = tips::attempt(tips::days_from_now(0));
    store.record(&attempt).await.unwrap();
    let booked = "SELECT count(*) FROM challenges_catalog.tip_attempts";
    assert_eq!(database.query_i64(booked).await, 1);
}

#[tokio::test]
async fn the_serving_role_reads_and_writes_flags_and_settings() {
    let (database, role) = served().await;
    // As on a table that others protect: no policy lets the role see a row.
    let closed = "ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY";
    database.execute(closed).await;
    let store = open(
        Location::Postgres(&database.url_as(&role)),
        &PoolSettings::default(),
    )
    .unwrap();
    for draft in [controls::off(Flag::NearCache), controls::ttl("all", 5_000)] {
        let before = store.controls().await.unwrap();
        let commit = store.put(None, &draft, Some("ann")).await.unwrap().unwrap();
        let page = store
            .poll(before.version.stamp.seq, ANYONE, Tell::Nothing)
            .await
            .unwrap();
        assert_eq!(
            (page.head, tags(&page.changes)),
            (commit, vec!["flags".to_owned()])
        );
    }
    let rows = store.controls().await.unwrap();
    let (flag, setting) = (&rows.flags[0], &rows.settings[0]);
    let names = ["near_cache", "cache_ttl_ms"];
    let seen = [&flag.fingerprint, &setting.fingerprint];
    let kinds = [ControlKind::Flag, ControlKind::Setting];
    for ((kind, name), seen) in kinds.into_iter().zip(names).zip(seen) {
        assert!(
            store.remove(kind, name, seen).await.unwrap().is_some(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_poll_waits_for_no_disk_whatever_it_tells_or_numbers() {
    let (database, role) = served().await;
    let mut session = super::fixture::session(&database.url_as(&role)).await;
    let waits = async |session: &mut sqlx::PgConnection| -> String {
        let ask = "SELECT current_setting('synchronous_commit')";
        sqlx::query_scalar(ask).fetch_one(session).await.unwrap()
    };
    let poll = |tells: &str| {
        format!(
            "BEGIN;
            SELECT challenges_catalog.poll(
                9, 10, '00000000-0000-0000-0000-000000000001'::uuid, 'x', '', 1, {tells}
            )"
        )
    };
    // The first numbers are reserved, once for many, and that must not be lost.
    for (tells, expected) in [
        ("'', false", "local"),
        ("'', false", "off"),
        ("NULL, true", "off"),
    ] {
        let write = "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'x')";
        database.execute(write).await;
        super::fixture::run(&mut session, &poll(tells)).await;
        // Still so when the transaction commits, and no longer.
        assert_eq!(waits(&mut session).await, expected, "{tells}");
        super::fixture::run(&mut session, "COMMIT").await;
        assert_eq!(waits(&mut session).await, "on", "{tells}");
    }
}

#[tokio::test]
async fn the_serving_role_may_not_write() {
    let (database, role) = served().await;
    let store = open(
        Location::Postgres(&database.url_as(&role)),
        &PoolSettings::default(),
    )
    .unwrap();
    let new = challenge(1, "beginner", 10, "x");
    store.insert_missing(&[new]).await.unwrap_err();
    for statement in [
        "DELETE FROM challenges_catalog.commit_log",
        "UPDATE challenges_catalog.state SET floor = 9",
        "SELECT challenges_catalog.emit(ARRAY['challenges'])",
        "SELECT challenges_catalog.begin_new_history()",
        "UPDATE challenges_catalog.registry SET seq = 9",
        "SELECT FROM challenges_catalog.task",
        "DELETE FROM challenges_catalog.challenge_tips",
        "UPDATE challenges_catalog.shown_tips SET text = 'x'",
        "SELECT FROM challenges_catalog.tip_attempts",
        "DELETE FROM challenges_catalog.challenge_revisions",
        "UPDATE challenges_catalog.edits SET editor = 'x'",
        "SELECT FROM challenges_catalog.edit_requests",
        "SELECT FROM challenges_catalog.staged_challenges",
        "UPDATE feature_flags SET enabled = false",
        "SELECT FROM challenges_catalog.runtime_settings",
    ] {
        assert!(is_refused(&database, &role, statement).await, "{statement}");
    }
}

#[tokio::test]
async fn nobody_else_has_rights_on_our_schema() {
    let (database, _) = served().await;
    let stranger = database.create_role("stranger").await;
    for statement in [
        "SELECT FROM challenges_catalog.commit_log",
        "SELECT FROM challenges_catalog.state",
        "SELECT FROM challenges_catalog.replica",
        "SELECT FROM challenges_catalog.challenge_tips",
        "SELECT FROM challenges_catalog.shown_tips",
        "SELECT challenges_catalog.timeline()",
        "SELECT challenges_catalog.emit(ARRAY['challenges'])",
    ] {
        assert!(
            is_refused(&database, &stranger, statement).await,
            "{statement}"
        );
    }
    // The schema closes the door; behind it, each function is closed too.
    database
        .execute(&format!(
            "GRANT USAGE ON SCHEMA challenges_catalog TO {stranger}"
        ))
        .await;
    let open_to_all = format!(
        "SELECT count(*) FROM pg_proc
        WHERE pronamespace = 'challenges_catalog'::regnamespace
            AND has_function_privilege('{stranger}', oid, 'EXECUTE')"
    );
    assert_eq!(database.query_i64(&open_to_all).await, 0);
}

async fn is_refused(database: &Database, role: &str, statement: &str) -> bool {
    let mut session = super::fixture::session(&database.url_as(role)).await;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut session)
        .await;
    let code = done.err().and_then(|error| {
        let error = error.into_database_error()?;
        error.code().map(std::borrow::Cow::into_owned)
    });
    code.as_deref() == Some("42501")
}
