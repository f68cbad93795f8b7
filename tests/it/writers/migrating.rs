//! `migrate up` waits for other programs, never they for it for long: in a deadlock it is the one that gives way.
use challenges_catalog::repository::{Location, MigrateSettings, migrate_up};

use super::{
    fixtures::{insert_all, retitle, run},
    previous_release,
};
use crate::support::{
    postgres::{self, Database},
    process::PATIENCE,
    wait::eventually,
};

/// The release before, with some rows.
async fn old() -> Database {
    let database = postgres::fresh().await;
    previous_release::migrate(&database).await;
    database.execute(&insert_all(1, 3)).await;
    database
}

async fn up(database: &Database) {
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
}

/// Waits until the migration waits for a lock of this table.
async fn waits_for(database: &Database, table: &str) {
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted
            AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    );
    eventually("the migration waits", PATIENCE, async || {
        database.query_i64(&waiting).await > 0
    })
    .await;
}

#[tokio::test]
async fn in_a_deadlock_with_a_writer_it_is_the_migration_that_gives_way() {
    let database = old().await;
    let mut writer = database.connect().await;
    let flag = "BEGIN; INSERT INTO feature_flags (name, enabled) VALUES ('of_the_app', true)";
    run(&mut writer, flag).await;
    let write = async {
        // By then it has the table of challenges, which the writer wants next.
        waits_for(&database, "feature_flags").await;
        run(&mut writer, &retitle(1, "written")).await;
        run(&mut writer, "COMMIT").await;
    };
    tokio::join!(up(&database), write);
    let written = "SELECT count(*) FROM approach_challenges WHERE title = 'written'";
    assert_eq!(database.query_i64(written).await, 1);
}

#[tokio::test]
async fn in_a_deadlock_with_a_reader_it_is_the_migration_that_gives_way() {
    let database = old().await;
    let mut reader = database.connect().await;
    let log = "BEGIN; SELECT FROM challenges_catalog.commit_log";
    run(&mut reader, log).await;
    let read = async {
        waits_for(&database, "challenges_catalog.commit_log").await;
        run(&mut reader, "SELECT FROM approach_challenges; COMMIT").await;
    };
    tokio::join!(up(&database), read);
}
