//! Writers of the challenges never wait, and never fail, because a tip is being kept.
use challenges_catalog::repository::{Location, MigrateSettings, migrate_up};
use sqlx::{AssertSqlSafe, PgConnection};

use super::fixture::{id_text, run, session};
use crate::support::postgres::{self, Database};

/// Keeps a shown tip for challenge 1, in a transaction that the caller ends.
fn keep() -> String {
    format!(
        "SELECT challenges_catalog.keep_tip(
            decode(repeat('01', 32), 'hex'), '{}', decode(repeat('02', 32), 'hex'), 'en', 'warm', '1', 1, 'text',
            decode(repeat('03', 32), 'hex'), 'anthropic', 'some-model', 'end_turn', 1, 1, false,
            now(), now() + interval '7 days', true
        )",
        id_text(1)
    )
}

async fn one_challenge() -> Database {
    let database = postgres::fresh().await;
    migrate_up(
        Location::Postgres(&database.url()),
        &MigrateSettings::default(),
    )
    .await
    .unwrap();
    let insert = format!(
        "INSERT INTO approach_challenges (id, difficulty, title) VALUES ('{}', 'beginner', 'x')",
        id_text(1)
    );
    database.execute(&insert).await;
    database
}

async fn newest_seq(session: &mut PgConnection) -> i64 {
    run(session, "SELECT challenges_catalog.number(2000)").await;
    let newest = "SELECT max(seq) FROM challenges_catalog.commit_log";
    sqlx::query_scalar(newest).fetch_one(session).await.unwrap()
}

#[tokio::test]
async fn while_a_tip_is_being_kept_every_kind_of_write_goes_through() {
    let database = one_challenge().await;
    let mut keeper = session(&database.url()).await;
    run(&mut keeper, &format!("BEGIN; {}", keep())).await;
    let mut writer = session(&database.url()).await;
    // Nothing that the tip holds may be waited for at all.
    run(&mut writer, "SET lock_timeout = '1s'").await;
    for write in [
        "UPDATE approach_challenges SET difficulty = 'advanced'",
        "DELETE FROM approach_challenges",
        "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'y')",
        "TRUNCATE approach_challenges",
        "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE",
    ] {
        run(&mut writer, &format!("BEGIN; {write}; COMMIT")).await;
    }
    let before = newest_seq(&mut writer).await;
    run(&mut keeper, "COMMIT").await;
    assert_eq!(newest_seq(&mut writer).await, before + 1);
}

#[tokio::test]
async fn a_tip_is_kept_while_a_writer_holds_the_table() {
    let database = one_challenge().await;
    let mut writer = session(&database.url()).await;
    let lock = "BEGIN; UPDATE approach_challenges SET title = 'y';
        LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    run(&mut writer, lock).await;
    let mut keeper = session(&database.url()).await;
    run(&mut keeper, "SET lock_timeout = '1s'").await;
    let kept: bool = sqlx::query_scalar(AssertSqlSafe(keep()))
        .fetch_one(&mut keeper)
        .await
        .unwrap();
    assert!(kept);
    run(&mut writer, "COMMIT").await;
}
