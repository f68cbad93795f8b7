//! `migrate up` and `migrate status`, on an empty database and on one that others use.
use std::time::{Duration, Instant};

use challenges_catalog::{
    domain::{Error, Tell},
    repository::{
        Location, MigrateSettings, MigrationError, MigrationReport, PoolSettings, migrate_up,
        migration_status, open as open_datastore, verify,
    },
};
use tempfile::TempDir;

use super::fixture::{ANYONE, Catalog, run, session};
use crate::support::postgres;

pub const ALL: &[&str] = &[
    "0001 create challenges",
    "0002 create commit log",
    "0003 watch challenges",
    "0004 order challenges",
    "0005 register replicas",
    "0006 keep tips",
    "0007 adopt feature flags",
    "0008 keep revisions",
    "0009 batch tips",
    "0010 guard revisions",
    "0011 number after commit",
    "0012 guard owner",
    "0013 queue changes",
    "0014 show tips together",
    "0015 drop tip batches",
];

fn hasty() -> MigrateSettings {
    MigrateSettings {
        wait: Duration::from_millis(200),
        lock_timeout: Duration::from_millis(50),
        attempts: 2,
        ..MigrateSettings::default()
    }
}

async fn a_database_is_migrated_once_and_says_so(catalog: Catalog) {
    let pending = catalog.store.check().await.unwrap_err();
    assert_eq!(
        pending.to_string(),
        "the schema is at version 0 and this build needs 15: run `challenges-catalog migrate up`"
    );
    assert!(
        catalog
            .status()
            .await
            .iter()
            .all(|row| row.applied_at.is_none())
    );
    let report = catalog.migrate().await;
    assert_eq!(
        (report.applied, report.adopted),
        (ALL.iter().map(ToString::to_string).collect(), false)
    );
    let status = catalog.status().await;
    assert!(status.iter().all(|row| row.applied_at.is_some()));
    let names: Vec<_> = status
        .iter()
        .map(|row| (row.version, row.name.as_str()))
        .collect();
    assert_eq!(names[0], (1, "create challenges"));
    assert_eq!(catalog.migrate().await, MigrationReport::default());
    catalog.store.check().await.unwrap();
}

async fn four_processes_at_once_migrate_once(catalog: Catalog) {
    let (a, b, c, d) = tokio::join!(
        catalog.migrate(),
        catalog.migrate(),
        catalog.migrate(),
        catalog.migrate()
    );
    let applied = [a, b, c, d].map(|report| report.applied.len());
    assert_eq!(applied.iter().sum::<usize>(), ALL.len());
    assert!(applied.contains(&ALL.len()), "{applied:?}");
}

mod on_postgres {
    use super::Catalog;
    #[tokio::test]
    async fn a_database_is_migrated_once_and_says_so() {
        super::a_database_is_migrated_once_and_says_so(Catalog::bare_postgres().await).await;
    }
    #[tokio::test]
    async fn four_processes_at_once_migrate_once() {
        super::four_processes_at_once_migrate_once(Catalog::bare_postgres().await).await;
    }
}

mod on_sqlite {
    use super::Catalog;
    #[tokio::test]
    async fn a_database_is_migrated_once_and_says_so() {
        super::a_database_is_migrated_once_and_says_so(Catalog::bare_sqlite().await).await;
    }
    #[tokio::test]
    async fn four_processes_at_once_migrate_once() {
        super::four_processes_at_once_migrate_once(Catalog::bare_sqlite().await).await;
    }
}

#[tokio::test]
async fn the_tables_of_others_alone_are_left_in_public() {
    let database = postgres::fresh().await;
    let theirs = "CREATE TABLE _sqlx_migrations (version bigint, of_another_program text)";
    database.execute(theirs).await;
    migrate_up(Location::Postgres(&database.url()), &hasty())
        .await
        .unwrap();
    let names = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(
        database.query_text(names).await,
        "_sqlx_migrations approach_challenges approach_challenges_catalog_order \
         approach_challenges_pkey feature_flags feature_flags_name_key feature_flags_pkey \
         idx_approach_challenges_difficulty"
    );
    let functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(database.query_i64(functions).await, 0);
}

/// As the process that migrates holds it.
const HOLD: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    LOCK TABLE challenges_catalog.migration_lock IN EXCLUSIVE MODE NOWAIT";

#[tokio::test]
async fn a_migration_waits_for_another_one_but_not_for_ever() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let mut other = session(&url).await;
    run(&mut other, HOLD).await;
    let refused = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap_err();
    assert!(matches!(refused, MigrationError::Locked(_)), "{refused:?}");
    run(&mut other, "ROLLBACK").await;
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_role_without_rights_holds_up_no_migration() {
    let database = postgres::fresh().await;
    let url = database.url();
    let stranger = database.create_role("stranger").await;
    let mut other = session(&database.url_as(&stranger)).await;
    // Of the releases before: the lock of migrations, and that of numbers.
    let hold = "SELECT pg_advisory_lock(7161132859655742317), pg_advisory_lock(1)";
    run(&mut other, hold).await;
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let taken = sqlx::raw_sql(HOLD).execute(&mut other).await;
    assert!(taken.unwrap_err().to_string().contains("permission denied"));
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_index_is_built_while_the_lock_of_migrations_is_held() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let rows = "INSERT INTO approach_challenges (difficulty, title)
        SELECT 'beginner', i FROM generate_series(1, 100) AS i";
    database.execute(rows).await;
    let mut holder = session(&url).await;
    run(&mut holder, HOLD).await;
    let build = "SET statement_timeout = '20s'";
    let mut builder = session(&url).await;
    run(&mut builder, build).await;
    let build = "CREATE INDEX CONCURRENTLY other_order ON approach_challenges (title)";
    run(&mut builder, build).await;
    let held = "SELECT count(*) FROM pg_locks
        WHERE relation = 'challenges_catalog.migration_lock'::regclass AND granted";
    assert_eq!(database.query_i64(held).await, 1);
}

#[tokio::test]
async fn a_busy_table_is_left_alone_soon_and_can_be_migrated_later() {
    let database = postgres::fresh().await;
    let url = database.url();
    let table = "CREATE TABLE approach_challenges (
        id uuid PRIMARY KEY, difficulty varchar(50) NOT NULL, title varchar(200) NOT NULL,
        description text, points integer DEFAULT 10, created_at timestamptz DEFAULT now())";
    database.execute(table).await;
    let mut reader = session(&url).await;
    run(&mut reader, "BEGIN; SELECT FROM approach_challenges").await;
    let asked = Instant::now();
    let refused = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap_err();
    assert!(matches!(refused, MigrationError::Busy(2)), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_secs(10));
    run(&mut reader, "COMMIT").await;
    let report = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    assert_eq!((report.applied.len(), report.adopted), (ALL.len(), true));
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let edit = "UPDATE challenges_catalog.migration SET checksum = '\\x00' WHERE version = 2";
    database.execute(edit).await;
    let refused = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, MigrationError::Modified(2)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_schema_of_a_later_release_is_fine() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let later = "INSERT INTO challenges_catalog.migration
        VALUES (9999, 'later', now(), true, '\\x00', 1)";
    database.execute(later).await;
    let report = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    assert_eq!(report, MigrationReport::default());
    let store = open_datastore(Location::Postgres(&url), &PoolSettings::default()).unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_table_that_vanished_is_not_made_anew() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    for table in ["feature_flags", "approach_challenges"] {
        database.execute(&format!("DROP TABLE {table}")).await;
        let refused = migrate_up(Location::Postgres(&url), &hasty())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, MigrationError::TableMissing(gone) if gone == table),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn an_index_that_was_left_half_built_is_built_again() {
    let database = postgres::fresh().await;
    let url = database.url();
    migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    let valid = "SELECT indisvalid::int FROM pg_index
        WHERE indexrelid = 'approach_challenges_catalog_order'::regclass";
    let damage = "UPDATE pg_index SET indisvalid = false
        WHERE indexrelid = 'approach_challenges_catalog_order'::regclass";
    database.execute(damage).await;
    assert_eq!(database.query_i64(valid).await, 0);
    let report = migrate_up(Location::Postgres(&url), &hasty())
        .await
        .unwrap();
    assert_eq!(
        report.notes,
        ["built the order index without locking writers out"]
    );
    assert_eq!(database.query_i64(valid).await, 1);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_named_without_its_password() {
    let settings = hasty();
    for url in [
        "postgres://ann:s3cret@127.0.0.1:1/catalog",
        "postgres://ann:s3cret@host.invalid/catalog",
        "postgres://ann:s3cret@127.0.0.1:port/catalog",
        "postgres://ann:s3cret@127.0.0.1/catalog?sslmode=odd",
        "postgres://ann:s3cret@[/catalog",
    ] {
        let location = Location::Postgres(url);
        let up = migrate_up(location, &settings).await.unwrap_err();
        let status = migration_status(location).await.unwrap_err();
        let findings = verify(location, &|_, _| ()).await.unwrap_err();
        for error in [up, status, findings] {
            let text = chain(&error);
            assert!(!text.contains("s3cret") && !text.contains("ann:"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_no_outage_to_a_migration_and_is_never_shown() {
    let database = postgres::fresh().await;
    let url = database.url_with_password("wr0ng").await;
    let location = Location::Postgres(&url);
    let refused = migrate_up(location, &hasty()).await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::Failed { .. }),
        "{refused:?}"
    );
    assert!(chain(&refused).contains("password authentication failed"));
    assert!(!chain(&refused).contains("wr0ng"));
    let store = open_datastore(location, &PoolSettings::default()).unwrap();
    let failed = store.poll(0, ANYONE, Tell::Nothing).await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { .. }), "{failed:?}");
    assert!(!chain(&failed).contains("wr0ng"));
}

#[tokio::test]
async fn a_file_that_is_none_of_sqlite_or_cannot_be_made_is_refused() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "this is not a database, and it is longer than a header of one ".repeat(9),
    )
    .unwrap();
    let refused = migrate_up(Location::Sqlite(&text), &hasty())
        .await
        .unwrap_err();
    assert!(
        chain(&refused).contains("file is not a database"),
        "{}",
        chain(&refused)
    );
    let nowhere = folder.path().join("missing/catalog.sqlite");
    let refused = migrate_up(Location::Sqlite(&nowhere), &hasty())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, MigrationError::Failed { .. }),
        "{refused:?}"
    );
    assert!(
        chain(&refused).contains("its folder cannot be written"),
        "{}",
        chain(&refused)
    );
    let absent = folder.path().join("absent.sqlite");
    verify(Location::Sqlite(&absent), &|_, _| ())
        .await
        .unwrap_err();
    assert!(!absent.exists());
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
