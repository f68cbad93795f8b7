//! The table that exists already is taken over as it is, or refused as it is.
use std::time::Duration;

use challenges_catalog::{
    domain::{ListQuery, PageSize},
    repository::{Location, MigrateSettings, MigrationError, migrate_up},
};

use super::{
    fixture::{open, run, session},
    migrations::ALL,
};
use crate::support::{
    postgres::{self, Database},
    wait::eventually,
};

/// As deployments have it, with rows, a table that refers to it, policies and a writer.
const EXISTING: &str = "
    CREATE TABLE approach_challenges (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        difficulty varchar(50) NOT NULL CHECK (difficulty IN ('beginner', 'intermediate', 'advanced')),
        title varchar(200) NOT NULL,
        description text,
        points integer DEFAULT 10,
        created_at timestamptz DEFAULT now()
    );
    CREATE INDEX by_difficulty ON approach_challenges (difficulty);
    ALTER TABLE approach_challenges ENABLE ROW LEVEL SECURITY;
    CREATE POLICY anyone ON approach_challenges FOR SELECT USING (true);
    INSERT INTO approach_challenges (id, difficulty, title, description, points, created_at) VALUES
        ('00000000-0000-4000-8000-000000000001', 'beginner', 'one', NULL, NULL, NULL),
        ('00000000-0000-4000-8000-000000000002', 'advanced', 'two', 'do it', 50, 'infinity'),
        ('00000000-0000-4000-8000-000000000003', 'beginner', 'three', 'do it', 5, '2020-01-01Z');
    CREATE TABLE done (challenge uuid NOT NULL REFERENCES approach_challenges (id), who text);
    INSERT INTO done VALUES ('00000000-0000-4000-8000-000000000001', 'ann');
    CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER theirs BEFORE INSERT ON approach_challenges FOR EACH ROW EXECUTE FUNCTION shout();";

/// All that belongs to others, in one text.
const THEIRS: &str = "SELECT concat_ws(E'\\n',
    (SELECT string_agg(concat_ws('|', id, difficulty, title, description, points, created_at, ctid, xmin), ';' ORDER BY id)
        FROM approach_challenges),
    (SELECT string_agg(d::text, ';') FROM done AS d),
    (SELECT string_agg(concat(conname, pg_get_constraintdef(oid)), ';' ORDER BY conname) FROM pg_constraint
        WHERE 'approach_challenges'::regclass IN (conrelid, confrelid)),
    (SELECT string_agg(concat(polname, polcmd, polroles, pg_get_expr(polqual, polrelid)), ';' ORDER BY polname)
        FROM pg_policy WHERE polrelid = 'approach_challenges'::regclass),
    (SELECT concat(relacl, relowner, relrowsecurity, relforcerowsecurity, relfilenode) FROM pg_class
        WHERE oid = 'approach_challenges'::regclass),
    (SELECT string_agg(concat(tgname, tgenabled), ';' ORDER BY tgname) FROM pg_trigger
        WHERE tgrelid = 'approach_challenges'::regclass AND tgname NOT LIKE 'challenges_catalog%'),
    (SELECT string_agg(concat(attname, format_type(atttypid, atttypmod), attnotnull), ';' ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = 'approach_challenges'::regclass AND attnum > 0
            AND attname NOT IN ('tips', 'updated_at')))";

const VALID: &str = "SELECT count(*) FROM pg_index
    WHERE indexrelid = to_regclass('approach_challenges_catalog_order') AND indisvalid";

async fn up(url: &str) -> Result<challenges_catalog::repository::MigrationReport, MigrationError> {
    migrate_up(Location::Postgres(url), &MigrateSettings::default()).await
}

/// A database whose table belongs to a role without any privilege of a superuser.
async fn with_owner() -> (Database, String) {
    let database = postgres::fresh().await;
    let owner = database.create_role("owner").await;
    let rights = format!(
        "GRANT CREATE ON SCHEMA public TO {owner};
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {owner}', current_database()); END $$"
    );
    database.execute(&rights).await;
    (database, owner)
}

#[tokio::test]
async fn a_table_in_use_is_adopted_as_it_is() {
    let (database, owner) = with_owner().await;
    database.execute_as(&owner, EXISTING).await;
    let before = database.query_text(THEIRS).await;
    let report = up(&database.url_as(&owner)).await.unwrap();
    assert!(report.adopted);
    assert_eq!(report.applied, ALL);
    assert_eq!(
        report.notes,
        [
            "left out the event trigger that notices DDL on the table: making it takes a superuser",
            "built the order index without locking writers out",
        ]
    );
    assert_eq!(database.query_text(THEIRS).await, before);
    let again = up(&database.url_as(&owner)).await.unwrap();
    assert!(again.applied.is_empty() && !again.adopted);
    assert_eq!(database.query_text(THEIRS).await, before);
    let store = open(Location::Postgres(&database.url_as(&owner)));
    let page = store
        .list(&ListQuery::first(None, PageSize::DEFAULT))
        .await
        .unwrap()
        .value;
    let seen: Vec<_> = page
        .challenges
        .iter()
        .map(|row| (row.title.as_str(), row.description.as_str(), row.points))
        .collect();
    assert_eq!(
        seen,
        [("three", "do it", 5), ("one", "", 10), ("two", "do it", 50)]
    );
    assert!(page.challenges.iter().all(|row| row.updated_at.is_none()));
    let times: Vec<_> = page
        .challenges
        .iter()
        .map(|row| row.created_at.map(|at| at.0))
        .collect();
    assert_eq!(times, [Some(1_577_836_800_000_000), None, None]);
}

#[tokio::test]
async fn writers_carry_on_while_a_table_with_rows_is_indexed() {
    let (database, owner) = with_owner().await;
    database.execute_as(&owner, EXISTING).await;
    let url = database.url_as(&owner);
    // A snapshot of another program keeps CREATE INDEX CONCURRENTLY waiting.
    let mut reader = session(&url).await;
    run(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    )
    .await;
    let (up, ()) = tokio::join!(up(&url), async {
        eventually("the index waits", Duration::from_secs(20), async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
                    AND datname = current_database()";
            database.query_i64(waiting).await == 1
        })
        .await;
        let write = "UPDATE approach_challenges SET title = 'written meanwhile'";
        database.execute_as(&owner, write).await;
        run(&mut reader, "COMMIT").await;
    });
    up.unwrap();
    assert_eq!(database.query_i64(VALID).await, 1);
}

#[tokio::test]
async fn an_index_that_takes_too_long_is_left_for_the_next_time() {
    let (database, owner) = with_owner().await;
    database.execute_as(&owner, EXISTING).await;
    let url = database.url_as(&owner);
    let mut reader = session(&url).await;
    run(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    )
    .await;
    let settings = MigrateSettings {
        index_timeout: Duration::from_millis(300),
        ..MigrateSettings::default()
    };
    let report = migrate_up(Location::Postgres(&url), &settings)
        .await
        .unwrap();
    assert_eq!(report.applied, ALL);
    assert!(report.notes[1].starts_with("the order index was not built within 300ms"));
    assert_eq!(database.query_i64(VALID).await, 0);
    run(&mut reader, "COMMIT").await;
    up(&url).await.unwrap();
    assert_eq!(database.query_i64(VALID).await, 1);
}

#[tokio::test]
async fn columns_that_are_there_are_kept() {
    let (database, owner) = with_owner().await;
    let richer = format!(
        "{EXISTING}
        ALTER TABLE approach_challenges
            ADD COLUMN tips text, ADD COLUMN updated_at timestamptz DEFAULT '2001-01-01Z',
            ADD COLUMN category text, ADD COLUMN place integer NOT NULL DEFAULT 3;
        UPDATE approach_challenges SET tips = 'breathe';"
    );
    database.execute_as(&owner, &richer).await;
    up(&database.url_as(&owner)).await.unwrap();
    let kept = "SELECT count(*) FROM approach_challenges
        WHERE tips = 'breathe' AND updated_at = '2001-01-01Z' AND place = 3";
    assert_eq!(database.query_i64(kept).await, 3);
}

#[tokio::test]
async fn another_shape_is_refused_column_by_column_and_nothing_is_changed() {
    let database = postgres::fresh().await;
    let odd = "CREATE TABLE approach_challenges (
        id bigint, difficulty text NOT NULL, description text NOT NULL, points smallint,
        created_at timestamp, tips jsonb, extra integer NOT NULL, spare integer NOT NULL DEFAULT 1,
        PRIMARY KEY (id, difficulty))";
    database.execute(odd).await;
    let refused = up(&database.url()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "public.approach_challenges is not a table that can be adopted; nothing was changed
  id: expected uuid not null, found bigint not null
  difficulty: expected character varying(50) not null, found text not null
  title: expected character varying(200) not null, found no such column
  description: expected text null, found text not null
  points: expected integer null, found smallint null
  created_at: expected timestamp with time zone null, found timestamp without time zone null
  tips: expected text null, found jsonb null
  extra: expected no column, or one that may be left out, found integer not null without a default
  primary key: expected id, found id, difficulty"
    );
    nothing_is_left(&database).await;
}

#[tokio::test]
async fn what_is_no_plain_table_is_refused() {
    for (made, found) in [
        ("CREATE VIEW approach_challenges AS SELECT 1 AS id", "view"),
        (
            "CREATE MATERIALIZED VIEW approach_challenges AS SELECT 1 AS id",
            "materialized view",
        ),
        (
            "CREATE TABLE approach_challenges (id uuid) PARTITION BY HASH (id)",
            "partitioned table",
        ),
    ] {
        let database = postgres::fresh().await;
        database.execute(made).await;
        let refused = up(&database.url()).await.unwrap_err().to_string();
        let line = format!("\n  table: expected ordinary table, found {found}");
        assert!(refused.ends_with(&line), "{refused}");
        nothing_is_left(&database).await;
    }
}

#[tokio::test]
async fn a_table_without_a_key_is_refused() {
    let database = postgres::fresh().await;
    let keyless = EXISTING.replace("PRIMARY KEY DEFAULT", "UNIQUE NOT NULL DEFAULT");
    database.execute(&keyless).await;
    let refused = up(&database.url()).await.unwrap_err().to_string();
    assert!(
        refused.ends_with("\n  primary key: expected id, found none"),
        "{refused}"
    );
    nothing_is_left(&database).await;
}

#[tokio::test]
async fn who_does_not_own_the_table_is_told_who_does() {
    let (database, owner) = with_owner().await;
    database.execute_as(&owner, EXISTING).await;
    let other = database.create_role("other").await;
    let refused = up(&database.url_as(&other)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "public.approach_challenges belongs to {owner}, and {other} cannot change it: \
             migrate as {owner}; nothing was changed"
        )
    );
    nothing_is_left(&database).await;
    // A member of the owning role may.
    database.execute(&format!("GRANT {owner} TO {other}")).await;
    let grant = format!(
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {other}', current_database()); END $$"
    );
    database.execute(&grant).await;
    up(&database.url_as(&other)).await.unwrap();
}

async fn nothing_is_left(database: &Database) {
    let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'challenges_catalog'";
    assert_eq!(database.query_i64(ours).await, 0);
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'challenges_catalog%'";
    assert_eq!(database.query_i64(triggers).await, 0);
}
