//! Migration 0015 drops the tables of batches of tips. What batches brought stays, and none that is open is lost.
use std::path::Path;

use challenges_catalog::repository::{Location, MigrateSettings, migrate_up};
use sqlx::{
    Connection, Executor, PgConnection, SqliteConnection, migrate::Migrator,
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use crate::{
    support::postgres::{self, Database},
    writers::previous_release,
};

/// The last migration of the release that had batches.
const LAST: i64 = 14;

/// A tip, an attempt and a closed batch that both belong to, for PostgreSQL.
const FILL: &str = "
    INSERT INTO challenges_catalog.challenge_tips (
        key, challenge, content, locale, persona, edition, epoch, text, sha256, provider, model, stop,
        input_tokens, output_tokens, is_estimated, created_at, expires_at
    ) VALUES (
        sha256('key'), gen_random_uuid(), sha256('content'), 'en', 'coach', '1', 7, 'Breathe.', sha256('Breathe.'),
        'anthropic', 'm', 'end_turn', 3, 4, false, now(), 'infinity'
    );
    SELECT challenges_catalog.note_attempt(now(), sha256('key'), 7, 'anthropic', 'm', 'success', 3, 4, false, 50);
    INSERT INTO challenges_catalog.tip_batches (
        id, provider, model, locale, persona, edition, is_shown, reserved_micro_usd, created_at, provider_batch_id,
        closed_as, closed_at
    ) VALUES (
        '00000000-0000-4000-8000-000000000001', 'anthropic', 'm', 'en', 'coach', '1', true, 0, now(), 'msgbatch_1',
        'imported', now()
    );
    INSERT INTO challenges_catalog.tip_batch_orders (batch, number, key, challenge, content, epoch, outcome)
    SELECT id, 0, sha256('key'), gen_random_uuid(), sha256('content'), 7, 'success' FROM challenges_catalog.tip_batches;";
/// The same batch, as long as it is open.
const OPEN: &str = "UPDATE challenges_catalog.tip_batches SET closed_as = NULL, closed_at = NULL";
const CLOSE: &str =
    "UPDATE challenges_catalog.tip_batches SET closed_as = 'imported', closed_at = now()";
/// What must stay.
const KEPT: &str = "SELECT concat_ws(E'\\n',
    (SELECT string_agg(t::text, ' ') FROM challenges_catalog.challenge_tips AS t),
    (SELECT string_agg(a::text, ' ') FROM challenges_catalog.tip_attempts AS a))";

async fn filled() -> Database {
    let database = postgres::fresh().await;
    previous_release::migrate_to(&database, LAST).await;
    database.execute(FILL).await;
    database
}

async fn up(database: &Database) -> Result<(), String> {
    let (url, settings) = (database.url(), MigrateSettings::default());
    let done = migrate_up(Location::Postgres(&url), &settings).await;
    done.map(drop).map_err(|error| told(&error))
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(told);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[tokio::test]
async fn tips_and_attempts_of_batches_stay_when_their_tables_go() {
    let database = filled().await;
    let kept = database.query_text(KEPT).await;
    assert!(
        kept.contains("Breathe.") && kept.contains("success"),
        "{kept}"
    );
    up(&database).await.unwrap();
    assert_eq!(database.query_text(KEPT).await, kept);
    let left = "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'challenges_catalog' AND c.relname LIKE '%tip\\_batch%' AND c.relkind IN ('r', 'i')";
    assert_eq!(database.query_i64(left).await, 0);
    let functions = "SELECT count(*) FROM pg_proc WHERE proname LIKE '%tip\\_batch%'";
    assert_eq!(database.query_i64(functions).await, 0);
}

#[tokio::test]
async fn a_database_with_an_open_batch_is_migrated_only_once_that_is_closed() {
    let database = filled().await;
    database.execute(OPEN).await;
    let refused = up(&database).await.unwrap_err();
    let names = "00000000-0000-4000-8000-000000000001 (msgbatch_1 at anthropic)";
    assert!(refused.contains(names), "{refused}");
    let open = "SELECT count(*) FROM challenges_catalog.tip_batch_orders JOIN challenges_catalog.tip_batches ON id = batch";
    assert_eq!(database.query_i64(open).await, 1);
    database.execute(CLOSE).await;
    up(&database).await.unwrap();
}

#[tokio::test]
async fn a_replica_of_the_release_before_goes_on_and_finds_no_batch() {
    let database = filled().await;
    let role = previous_release::serving_role(&database).await;
    let mut replica = PgConnection::connect(&database.url_as(&role))
        .await
        .unwrap();
    let looks = [
        include_str!("before/tip_batches.sql"),
        include_str!("before/tip_batch_orders.sql"),
    ];
    let [batches, orders] = looks;
    let mut look = async || {
        let batches = sqlx::query(batches)
            .bind(false)
            .bind([uuid::Uuid::from_u128(1)])
            .bind(100_i64);
        let orders = sqlx::query(orders).bind(uuid::Uuid::from_u128(1));
        let (batches, orders) = (
            replica.fetch_all(batches).await.unwrap().len(),
            replica.fetch_all(orders).await.unwrap().len(),
        );
        (batches, orders)
    };
    // Prepared here, and used again below.
    look().await;
    up(&database).await.unwrap();
    assert_eq!(look().await, (0, 0));
}

/// An embedded database of the release before, with a batch that is closed or open.
async fn embedded(folder: &TempDir, closed_as: &str) -> std::path::PathBuf {
    let file = folder.path().join("catalog.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut migrator = Migrator::new(migrations).await.unwrap();
    migrator.dangerous_set_table_name("catalog_migration");
    migrator.run_to(LAST, &mut connection).await.unwrap();
    let batch = sqlx::AssertSqlSafe(format!(
        "INSERT INTO tip_batches (
            id, provider, model, locale, persona, edition, is_shown, reserved_micro_usd, created_at, closed_as, closed_at
        ) VALUES ('1', 'anthropic', 'm', 'en', 'coach', '1', 1, 0, 0, {closed_as});
        INSERT INTO tip_attempts (
            ended_at, key, epoch, provider, model, outcome, input_tokens, output_tokens, is_estimated, cost_micro_usd
        ) VALUES (0, zeroblob(32), 7, 'anthropic', 'm', 'success', 3, 4, 0, 50)"
    ));
    sqlx::raw_sql(batch).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    file
}

async fn query(file: &Path, sql: &'static str) -> Result<i64, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await
}

#[tokio::test]
async fn an_embedded_database_keeps_its_attempts_when_the_tables_of_batches_go() {
    let folder = TempDir::new().unwrap();
    let file = embedded(&folder, "'imported', 0").await;
    let settings = MigrateSettings::default();
    migrate_up(Location::Sqlite(&file), &settings)
        .await
        .unwrap();
    let attempts = query(&file, "SELECT count(*) FROM tip_attempts").await;
    assert_eq!(attempts.unwrap(), 1);
    assert!(
        query(&file, "SELECT count(*) FROM tip_batches")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_embedded_database_with_an_open_batch_is_not_migrated() {
    let folder = TempDir::new().unwrap();
    let file = embedded(&folder, "NULL, NULL").await;
    let settings = MigrateSettings::default();
    let refused = migrate_up(Location::Sqlite(&file), &settings)
        .await
        .unwrap_err();
    assert!(
        told(&refused).contains("batches of tips are open"),
        "{refused}"
    );
    let batches = query(&file, "SELECT count(*) FROM tip_batches").await;
    assert_eq!(batches.unwrap(), 1);
}
