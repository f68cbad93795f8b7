//! Triggers that something disabled, or enabled for the wrong sessions, are repaired by `migrate up`, and what changed
//! meanwhile counts as changed.
use challenges_catalog::{
    domain::{Operation, RevisionQuery, Tell},
    repository::{Location, MigrateSettings, MigrationReport, migrate_up},
};
use tokio::process::Command;

use super::{
    fixture::{ANYONE, open, run, session, tags},
    verify::{lines, migrated, report},
};
use crate::support::postgres::{self, Database};

/// Every table that has triggers of ours.
const TABLES: [&str; 5] = [
    "approach_challenges",
    "feature_flags",
    "challenges_catalog.challenge_revisions",
    "challenges_catalog.runtime_settings",
    "challenges_catalog.shown_tips",
];

/// Does `what` to all triggers, as `ALTER TABLE … what`.
fn to_all_triggers(what: &str) -> String {
    TABLES
        .map(|table| format!("ALTER TABLE {table} {what};"))
        .concat()
}

/// All triggers and for whose changes they fire.
async fn modes(database: &Database) -> String {
    let modes =
        "SELECT string_agg(t.tgrelid::regclass || ' ' || t.tgname || ' ' || t.tgenabled::text, ', '
            ORDER BY t.tgrelid::regclass::text, t.tgname)
        FROM pg_trigger AS t WHERE NOT t.tgisinternal";
    database.query_text(modes).await
}

async fn up(database: &Database) -> MigrationReport {
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap()
}

async fn head(database: &Database) -> u64 {
    let store = open(Location::Postgres(&database.url()));
    let page = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    page.head.seq
}

/// What the feed has reported since commit `before`.
async fn told_since(database: &Database, before: u64) -> Vec<String> {
    let store = open(Location::Postgres(&database.url()));
    let page = store.poll(before, ANYONE, Tell::Nothing).await.unwrap();
    tags(&page.changes)
}

/// The history, the newest first: what was done, and the title.
async fn history(database: &Database) -> Vec<(Operation, String)> {
    let store = open(Location::Postgres(&database.url()));
    let all = RevisionQuery {
        challenge: None,
        before: None,
        limit: 100,
    };
    let revisions = store.revisions(all).await.unwrap().into_iter();
    revisions.map(|one| (one.operation, one.title)).collect()
}

#[tokio::test]
async fn triggers_in_any_wrong_state_are_mended_once_and_everything_counts_as_changed() {
    for damage in [
        to_all_triggers("DISABLE TRIGGER USER"),
        to_all_triggers("ENABLE TRIGGER USER"),
        "ALTER TABLE approach_challenges ENABLE ALWAYS TRIGGER challenges_catalog_update"
            .to_owned(),
        "ALTER TABLE approach_challenges ENABLE REPLICA TRIGGER challenges_catalog_insert"
            .to_owned(),
        "ALTER TABLE approach_challenges ENABLE TRIGGER challenges_catalog_replicated".to_owned(),
        "DROP TRIGGER challenges_catalog_replicated ON approach_challenges".to_owned(),
        "ALTER TABLE challenges_catalog.shown_tips DISABLE TRIGGER note_change".to_owned(),
    ] {
        let database = migrated().await;
        let sound = modes(&database).await;
        database.execute(&damage).await;
        assert_ne!(modes(&database).await, sound, "{damage}");
        let before = head(&database).await;
        let notes = up(&database).await.notes;
        assert_eq!(modes(&database).await, sound, "{damage}");
        assert_eq!(lines(&report(&database).await), Vec::<String>::new());
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("repaired the triggers"), "{notes:?}");
        let told = told_since(&database, before).await;
        assert!(
            told.contains(&"challenges".to_owned()) && told.contains(&"flags".to_owned()),
            "{damage}: {told:?}"
        );
        let mended = head(&database).await;
        assert_eq!(up(&database).await.notes, Vec::<String>::new());
        assert_eq!(head(&database).await, mended, "nothing was mended again");
    }
}

#[tokio::test]
async fn a_state_that_nobody_noted_is_in_the_history_once_the_row_changes() {
    for damage in [
        "ALTER TABLE approach_challenges DISABLE TRIGGER USER",
        "SET session_replication_role = replica;
        ALTER TABLE approach_challenges DISABLE TRIGGER challenges_catalog_replicated",
    ] {
        let database = migrated().await;
        let mut other = session(&database.url()).await;
        run(&mut other, damage).await;
        run(
            &mut other,
            "UPDATE approach_challenges SET title = 'unseen'",
        )
        .await;
        up(&database).await;
        database
            .execute("UPDATE approach_challenges SET title = 'seen'")
            .await;
        let history = history(&database).await;
        let newest: Vec<_> = history.iter().take(2).collect();
        let [(last, seen), (before, unseen)] = newest[..] else {
            panic!("{history:?}")
        };
        assert_eq!((*last, seen.as_str()), (Operation::Updated, "seen"));
        assert_eq!((*before, unseen.as_str()), (Operation::Found, "unseen"));
    }
}

async fn program(name: &str, arguments: &[&str]) {
    let ended = Command::new(postgres::program(name))
        .args(arguments)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{name}: {said}");
}

#[tokio::test]
async fn rows_that_pg_restore_put_back_with_triggers_off_are_noticed() {
    let database = migrated().await;
    let sound = modes(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump");
    let (file, url) = (file.to_str().unwrap(), database.url());
    let table = ["--data-only", "--table=public.approach_challenges"];
    let dump = [table[0], table[1], "--format=custom", "--file", file, &url];
    program("pg_dump", &dump).await;
    database
        .execute(
            "UPDATE approach_challenges SET title = 'to be lost'; DELETE FROM approach_challenges",
        )
        .await;
    let restore = ["--data-only", "--disable-triggers", "--dbname", &url, file];
    program("pg_restore", &restore).await;
    let (before, noted) = (head(&database).await, history(&database).await);
    assert_eq!(
        noted[0].0,
        Operation::Deleted,
        "nobody noted the restored row"
    );

    up(&database).await;
    assert_eq!(modes(&database).await, sound);
    assert_eq!(told_since(&database, before).await, ["challenges", "flags"]);
    database
        .execute("UPDATE approach_challenges SET title = 'seen'")
        .await;
    let newest: Vec<_> = history(&database).await.into_iter().take(2).collect();
    let expected = [(Operation::Updated, "seen"), (Operation::Found, "x")];
    assert_eq!(
        newest,
        expected.map(|(done, title)| (done, title.to_owned()))
    );
}

#[tokio::test]
async fn a_busy_table_is_waited_for_when_its_triggers_are_to_be_mended() {
    let database = migrated().await;
    let sound = modes(&database).await;
    let mut writer = session(&database.url()).await;
    run(
        &mut writer,
        "ALTER TABLE approach_challenges DISABLE TRIGGER USER",
    )
    .await;
    run(
        &mut writer,
        "BEGIN; UPDATE approach_challenges SET title = 'late'",
    )
    .await;
    let url = database.url();
    let settings = MigrateSettings {
        lock_timeout: std::time::Duration::from_millis(50),
        ..MigrateSettings::default()
    };
    let migrating = migrate_up(Location::Postgres(&url), &settings);
    let committing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let patience = std::time::Duration::from_secs(10);
        crate::support::wait::eventually("it waits", patience, async || {
            database.query_i64(waiting).await > 0
        })
        .await;
        run(&mut writer, "COMMIT").await;
    };
    let (report, ()) = tokio::join!(migrating, committing);
    assert_eq!(report.unwrap().notes.len(), 1);
    assert_eq!(modes(&database).await, sound);
    database
        .execute("UPDATE approach_challenges SET title = 'seen'")
        .await;
    let newest: Vec<_> = history(&database).await.into_iter().take(2).collect();
    let expected = [(Operation::Updated, "seen"), (Operation::Found, "late")];
    assert_eq!(
        newest,
        expected.map(|(done, title)| (done, title.to_owned()))
    );
}
