//! A table of feature flags that exists already is taken over as it is, or refused as it is.
use challenges_catalog::{
    domain::{Flag, RawFlag, Tell},
    repository::{Location, MigrateSettings, MigrationError, migrate_up},
};

use super::{controls::off, fixture::open};
use crate::support::postgres::{self, Database};

/// As the app has it: another order, other names, columns of its own, rows, a writer.
const EXISTING: &str = "
    CREATE TABLE feature_flags (
        owner_team text DEFAULT 'app',
        enabled boolean DEFAULT false,
        name varchar(100) NOT NULL,
        id uuid DEFAULT gen_random_uuid(),
        environment varchar(20) DEFAULT 'all',
        created_at timestamptz DEFAULT now(),
        CONSTRAINT flags_key PRIMARY KEY (id),
        CONSTRAINT flags_by_name UNIQUE (name)
    );
    ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY;
    INSERT INTO feature_flags (id, name, enabled, environment, created_at) VALUES
        ('00000000-0000-4000-8000-000000000001', 'near_cache', false, 'all', '2020-01-01Z'),
        ('00000000-0000-4000-8000-000000000002', 'of_the_app', true, 'production', NULL);";

/// All that belongs to others, in one text.
const THEIRS: &str = "SELECT concat_ws(E'\\n',
    (SELECT string_agg(concat_ws('|', id, name, enabled, environment, owner_team, created_at, ctid, xmin), ';' ORDER BY id)
        FROM feature_flags),
    (SELECT string_agg(concat(conname, pg_get_constraintdef(oid)), ';' ORDER BY conname) FROM pg_constraint
        WHERE conrelid = 'feature_flags'::regclass),
    (SELECT concat(relacl, relowner, relrowsecurity, relfilenode) FROM pg_class WHERE oid = 'feature_flags'::regclass))";

async fn up(database: &Database) -> Result<(), MigrationError> {
    let url = database.url();
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&url), &settings)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_table_in_use_is_adopted_with_its_rows() {
    let database = postgres::fresh().await;
    database.execute(EXISTING).await;
    let before = database.query_text(THEIRS).await;
    up(&database).await.unwrap();
    assert_eq!(database.query_text(THEIRS).await, before);
    let store = open(Location::Postgres(&database.url()));
    let rows = store.controls().await.unwrap().flags;
    let row = &rows[0];
    let raw = RawFlag {
        enabled: Some(false),
        rollout: None,
    };
    assert_eq!(
        (rows.len(), row.name.as_str(), row.raw),
        (1, "near_cache", raw)
    );
    assert_eq!(
        (row.created_at.map(|at| at.0), row.updated_at),
        (Some(1_577_836_800_000_000), None)
    );
    let put = store
        .put(Some(&row.fingerprint), &off(Flag::NearCache), Some("ann"))
        .await;
    assert!(put.unwrap().is_some());
    let put = store.put(None, &off(Flag::AiTips), None).await;
    assert!(put.unwrap().is_some());
    let teams =
        "SELECT string_agg(concat(name, '=', owner_team), ' ' ORDER BY name) FROM feature_flags";
    assert_eq!(
        database.query_text(teams).await,
        "ai_tips=app near_cache=app of_the_app=app"
    );
}

#[tokio::test]
async fn a_table_in_use_is_not_protected_against_its_writers() {
    let database = postgres::fresh().await;
    let open = EXISTING.replace("ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY;", "");
    database.execute(&open).await;
    let before = database.query_text(THEIRS).await;
    up(&database).await.unwrap();
    assert_eq!(database.query_text(THEIRS).await, before);
    let policies = "SELECT count(*) FROM pg_policy WHERE polrelid = 'feature_flags'::regclass";
    assert_eq!(database.query_i64(policies).await, 0);
}

#[tokio::test]
async fn a_writer_with_rights_on_the_table_only_is_heard() {
    let database = postgres::fresh().await;
    database.execute(EXISTING).await;
    up(&database).await.unwrap();
    let writer = database.create_role("writer").await;
    let grant = format!(
        "GRANT SELECT, UPDATE ON feature_flags TO {writer};
        CREATE POLICY writers ON feature_flags USING (true)"
    );
    database.execute(&grant).await;
    let noted = "SELECT count(*) FROM challenges_catalog.outbox WHERE tags = ARRAY['flags']";
    let before = database.query_i64(noted).await;
    let switch = "UPDATE feature_flags SET enabled = true WHERE name = 'near_cache'";
    database.execute_as(&writer, switch).await;
    assert_eq!(database.query_i64(noted).await, before + 1);
    let touched = "SELECT count(*) FROM feature_flags WHERE updated_at IS NOT NULL";
    assert_eq!(database.query_i64(touched).await, 1);
    let replicating = format!("SET session_replication_role = replica; {switch}");
    database
        .execute(&replicating.replace("true", "false"))
        .await;
    assert_eq!(database.query_i64(noted).await, before + 2);
    database.execute("TRUNCATE feature_flags").await;
    assert_eq!(database.query_i64(noted).await, before + 3);
}

#[tokio::test]
async fn another_shape_is_refused_column_by_column_and_nothing_is_changed() {
    let database = postgres::fresh().await;
    let odd = "CREATE TABLE feature_flags (
        name text PRIMARY KEY, enabled text, rollout_percentage real, description text NOT NULL,
        extra integer NOT NULL, spare integer NOT NULL DEFAULT 1)";
    database.execute(odd).await;
    let refused = up(&database).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "public.feature_flags is not a table that can be adopted; nothing was changed
  enabled: expected boolean, found text null
  description: expected text null, found text not null
  rollout_percentage: expected integer, found real null
  extra: expected no column, or one that may be left out, found integer not null without a default"
    );
    let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'challenges_catalog'";
    assert_eq!(database.query_i64(ours).await, 0);
    let challenges = "SELECT count(*) FROM pg_tables WHERE tablename = 'approach_challenges'";
    assert_eq!(database.query_i64(challenges).await, 0);
}

#[tokio::test]
async fn a_table_of_another_owner_is_refused_with_the_owners_name() {
    let database = postgres::fresh().await;
    let (owner, other) = (
        database.create_role("owner").await,
        database.create_role("other").await,
    );
    let rights = format!(
        "GRANT CREATE ON SCHEMA public TO {owner}, {other};
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {other}', current_database()); END $$"
    );
    database.execute(&rights).await;
    database.execute_as(&owner, EXISTING).await;
    let settings = MigrateSettings::default();
    let url = database.url_as(&other);
    let refused = migrate_up(Location::Postgres(&url), &settings)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "public.feature_flags belongs to {owner}, and {other} cannot change it: migrate as \
             {owner}; nothing was changed"
        )
    );
}

/// A release before this one reads the tag as "everything": it loads again, and is never wrong.
#[tokio::test]
async fn a_tag_that_a_release_does_not_know_is_everything_to_it() {
    let database = postgres::fresh().await;
    up(&database).await.unwrap();
    let store = open(Location::Postgres(&database.url()));
    let before = store.controls().await.unwrap().version.stamp.seq;
    let later = "SELECT challenges_catalog.emit(ARRAY['flags_of_a_later_release'])";
    database.execute(later).await;
    let page = store
        .poll(before, super::fixture::ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(super::fixture::tags(&page.changes), ["challenges"]);
}
