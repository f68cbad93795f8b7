//! The rights of the owner of the table of challenges: no code of others runs with them, and a superuser lends none.
use challenges_catalog::{
    domain::Flag,
    repository::{
        Location, MigrateSettings, MigrationError, MigrationReport, migrate_up, verify as look,
    },
};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    controls::off,
    fixture::{id_text, open, session},
    verify::lines,
};
use crate::support::{
    fleet::grant,
    postgres::{self, Database},
};

/// A table of challenges that belongs to a role with the rights that `grants` gives it.
async fn owned(grants: &str) -> (Database, String) {
    let database = postgres::fresh().await;
    let owner = database.create_role("owner").await;
    let table = format!(
        "{grants};
        CREATE TABLE approach_challenges (
            id uuid PRIMARY KEY,
            difficulty varchar(50) NOT NULL CHECK (difficulty IN ('beginner', 'intermediate', 'advanced')),
            title varchar(200) NOT NULL, description text, points integer DEFAULT 10,
            created_at timestamptz DEFAULT now());
        INSERT INTO approach_challenges (id, difficulty, title, description) VALUES
            ('{}', 'beginner', 'one', ''), ('{}', 'beginner', 'two', '');
        ALTER TABLE approach_challenges OWNER TO {owner}",
        id_text(1),
        id_text(2),
        grants = grants.replace("OWNER", &owner),
    );
    database.execute(&table).await;
    (database, owner)
}

async fn up(url: &str) -> Result<MigrationReport, MigrationError> {
    migrate_up(Location::Postgres(url), &MigrateSettings::default()).await
}

/// What belongs to whom in our schema and of our tables, but for the functions of event triggers.
const OWNERS: &str = "SELECT string_agg(DISTINCT pg_get_userbyid(o.owner), ' ') FROM (
        SELECT relowner FROM pg_class
        WHERE relnamespace = 'challenges_catalog'::regnamespace
            OR oid IN ('approach_challenges'::regclass, 'feature_flags'::regclass)
        UNION ALL
        SELECT proowner FROM pg_proc
        WHERE pronamespace = 'challenges_catalog'::regnamespace AND proname <> 'watch_table'
        UNION ALL
        SELECT nspowner FROM pg_namespace WHERE nspname = 'challenges_catalog'
    ) AS o (owner)";

async fn delete(session: &mut PgConnection, number: u32) -> Result<Option<String>, sqlx::Error> {
    let call = format!(
        "SELECT challenges_catalog.delete_challenge('{}')",
        id_text(number)
    );
    sqlx::query_scalar(AssertSqlSafe(call))
        .fetch_one(session)
        .await
}

/// A role that may refer to the table, and its table `trap`, whose index runs its function.
async fn trapped(database: &Database, reference: &str) -> String {
    let thief = database.create_role("thief").await;
    let rights = format!(
        "GRANT CREATE ON SCHEMA public TO {thief};
        GRANT REFERENCES (id) ON approach_challenges TO {thief}"
    );
    database.execute(&rights).await;
    let trap = format!(
        "CREATE FUNCTION spy() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF current_user <> '{thief}' THEN
                RAISE EXCEPTION 'stole the rights of %', current_user;
            END IF;
            RETURN true;
        END $$;
        CREATE TABLE trap (challenge uuid REFERENCES approach_challenges (id) {reference});
        CREATE INDEX ON trap (challenge) WHERE spy()"
    );
    database.execute_as(&thief, &trap).await;
    thief
}

#[tokio::test]
async fn to_delete_a_challenge_runs_no_code_of_who_refers_to_it() {
    let (database, owner) = owned("GRANT CREATE ON SCHEMA public TO OWNER").await;
    up(&database.url()).await.unwrap();
    let thief = trapped(&database, "").await;
    // A session that has planned nothing on the trap yet.
    let mut session = session(&database.url_as(&owner)).await;
    assert_eq!(delete(&mut session, 1).await.unwrap(), None);
    let refer = format!("INSERT INTO trap VALUES ('{}')", id_text(2));
    database.execute_as(&thief, &refer).await;
    let used = delete(&mut session, 2).await.unwrap();
    assert_eq!(used.as_deref(), Some("trap"));
    let left = "SELECT count(*) FROM approach_challenges";
    assert_eq!(database.query_i64(left).await, 1);
}

#[tokio::test]
async fn what_another_owners_reference_would_delete_or_empty_counts_as_used() {
    for reference in [
        "ON DELETE CASCADE",
        "ON DELETE SET NULL",
        "ON DELETE SET DEFAULT",
    ] {
        let (database, owner) = owned("GRANT CREATE ON SCHEMA public TO OWNER").await;
        up(&database.url()).await.unwrap();
        trapped(&database, reference).await;
        let mut session = session(&database.url_as(&owner)).await;
        let used = delete(&mut session, 1).await.unwrap();
        assert_eq!(used.as_deref(), Some("public.trap"), "{reference}");
    }
}

#[tokio::test]
async fn what_a_superuser_migrates_belongs_to_the_tables_owner() {
    let (database, owner) = owned("GRANT CREATE ON SCHEMA public TO OWNER").await;
    let report = up(&database.url()).await.unwrap();
    assert!(report.adopted);
    assert_eq!(
        report.notes,
        ["built the order index without locking writers out"]
    );
    assert_eq!(database.query_text(OWNERS).await, owner);
    // Whoever owns the function of an event trigger can act as whoever runs DDL.
    let watching = "SELECT string_agg(DISTINCT proowner::regrole::text, ' ') FROM pg_event_trigger
        JOIN pg_proc AS p ON p.oid = evtfoid WHERE evtname LIKE 'challenges_catalog%'";
    assert_eq!(database.query_text(watching).await, "postgres");
    let report = look(Location::Postgres(&database.url()), &|_, _| ())
        .await
        .unwrap();
    assert_eq!(lines(&report), Vec::<String>::new());
    // The owner goes on without a superuser.
    let again = up(&database.url_as(&owner)).await.unwrap();
    assert_eq!(again, MigrationReport::default());
}

#[tokio::test]
async fn what_an_earlier_release_left_to_a_superuser_is_handed_over() {
    let database = postgres::fresh().await;
    up(&database.url()).await.unwrap();
    let owner = database.create_role("owner").await;
    let give = format!(
        "ALTER TABLE approach_challenges OWNER TO {owner};
        GRANT CREATE ON SCHEMA public TO {owner}"
    );
    database.execute(&give).await;
    let refused = up(&database.url_as(&owner)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "challenges_catalog.acknowledge() belongs to postgres, and public.approach_challenges to {owner}, whose \
             rights our functions run with: run `migrate up` once as a superuser, or give it to {owner} with ALTER ... \
             OWNER TO; {owner} cannot; nothing was changed"
        )
    );
    let report = look(Location::Postgres(&database.url()), &|_, _| ())
        .await
        .unwrap();
    let found = lines(&report).join("\n");
    assert!(
        found.contains("error challenges_catalog.acknowledge(): it belongs to postgres, as "),
        "{found}"
    );
    up(&database.url()).await.unwrap();
    assert_eq!(database.query_text(OWNERS).await, owner);
    assert_eq!(
        up(&database.url_as(&owner)).await.unwrap(),
        MigrationReport::default()
    );
}

#[tokio::test]
async fn a_table_of_flags_of_a_third_role_is_not_handed_over() {
    let (database, owner) = owned("GRANT CREATE ON SCHEMA public TO OWNER").await;
    let third = database.create_role("third").await;
    let theirs = format!(
        "CREATE TABLE feature_flags (name text PRIMARY KEY, enabled boolean);
        ALTER TABLE feature_flags OWNER TO {third}"
    );
    database.execute(&theirs).await;
    let refused = up(&database.url()).await.unwrap_err().to_string();
    let expected = format!("public.feature_flags belongs to {third}, and public.appro");
    assert!(refused.starts_with(&expected), "{refused}");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'challenges_catalog'";
    assert_eq!(database.query_i64(schemas).await, 0);
    let member = format!("GRANT {third} TO {owner}");
    database.execute(&member).await;
    up(&database.url()).await.unwrap();
}

#[tokio::test]
async fn an_owner_who_may_not_create_in_public_is_told_the_grant() {
    let (database, owner) =
        owned("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO OWNER")
            .await;
    let refused = up(&database.url()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{owner} has to make table feature_flags in schema public, and may not: \
             GRANT CREATE ON SCHEMA public TO {owner}; nothing was changed"
        )
    );
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'challenges_catalog'";
    assert_eq!(database.query_i64(schemas).await, 0);
    let grant = format!("GRANT CREATE ON SCHEMA public TO {owner}");
    database.execute(&grant).await;
    up(&database.url()).await.unwrap();
}

#[tokio::test]
async fn nobody_else_writes_a_table_of_flags_that_migrations_made() {
    let database = postgres::fresh().await;
    let (anon, role) = (
        database.create_role("anon").await,
        database.create_role("serve").await,
    );
    let all = format!("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {anon}");
    database.execute(&all).await;
    up(&database.url()).await.unwrap();
    grant(&database, &role).await;
    let mut session = session(&database.url_as(&anon)).await;
    for (write, refusal) in [
        (
            "INSERT INTO feature_flags (name, enabled) VALUES ('challenges_catalog', false)",
            "row-level security",
        ),
        ("TRUNCATE feature_flags", "permission denied"),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(write))
            .execute(&mut session)
            .await;
        let problem = done.unwrap_err().to_string();
        assert!(problem.contains(refusal), "{write}: {problem}");
    }
    // The role that serves has no rights on the table, and writes through functions.
    let store = open(Location::Postgres(&database.url_as(&role)));
    let put = store.put(None, &off(Flag::NearCache), None).await;
    assert!(put.unwrap().is_some());
    assert_eq!(store.controls().await.unwrap().flags.len(), 1);
    let seen = sqlx::query_scalar("SELECT count(*) FROM feature_flags");
    let seen: i64 = seen.fetch_one(&mut session).await.unwrap();
    assert_eq!(seen, 1);
    let report = look(Location::Postgres(&database.url()), &|_, _| ())
        .await
        .unwrap();
    let found = lines(&report);
    assert!(
        !found.iter().any(|line| line.contains("flags")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_role_that_serves_goes_on_after_an_upgrade_without_another_grant() {
    let database = postgres::fresh().await;
    up(&database.url()).await.unwrap();
    let role = database.create_role("serve").await;
    grant(&database, &role).await;
    // As the release before left it.
    let before = r#"
        DROP FUNCTION challenges_catalog.controls(text[]), challenges_catalog.lock_staged,
            challenges_catalog.sees_all_rows, challenges_catalog.write_staged;
        ALTER TABLE feature_flags DISABLE ROW LEVEL SECURITY;
        DROP POLICY "Anyone can read flags" ON feature_flags;
        DELETE FROM challenges_catalog.migration WHERE version = 12;"#;
    database.execute(before).await;
    up(&database.url()).await.unwrap();
    let report = look(Location::Postgres(&database.url_as(&role)), &|_, _| ())
        .await
        .unwrap();
    let found = lines(&report);
    assert!(
        !found.iter().any(|line| line.contains("rights")),
        "{found:?}"
    );
    let store = open(Location::Postgres(&database.url_as(&role)));
    store.controls().await.unwrap();
}

#[tokio::test]
async fn policies_of_other_tables_are_no_change_however_they_are_named() {
    let database = postgres::fresh().await;
    up(&database.url()).await.unwrap();
    let commits = "SELECT count(*) FROM challenges_catalog.outbox";
    let before = database.query_i64(commits).await;
    let elsewhere = r#"
        CREATE TABLE thing (id int);
        CREATE POLICY "p on public.approach_challenges" ON thing;
        DROP POLICY "p on public.approach_challenges" ON thing;
        CREATE TABLE "x on public.approach_challenges" (id int);
        CREATE POLICY more ON "x on public.approach_challenges";
        ALTER POLICY more ON "x on public.approach_challenges" USING (false);
        DROP POLICY more ON "x on public.approach_challenges";
        CREATE SCHEMA other;
        CREATE TABLE other.approach_challenges (id int);
        CREATE POLICY more ON other.approach_challenges;
        DROP POLICY more ON other.approach_challenges;"#;
    database.execute(elsewhere).await;
    assert_eq!(database.query_i64(commits).await, before);
    for ours in [
        "CREATE POLICY more ON approach_challenges USING (false)",
        "ALTER POLICY more ON approach_challenges USING (true)",
        "DROP POLICY more ON approach_challenges",
    ] {
        let before = database.query_i64(commits).await;
        database.execute(ours).await;
        assert_eq!(database.query_i64(commits).await, before + 1, "{ours}");
    }
}

/// The function of the event triggers is a superuser's, and calls one that the table's owner may replace.
#[tokio::test]
async fn ddl_of_a_superuser_runs_no_code_of_the_owner_with_a_superusers_rights() {
    let (database, owner) = owned("GRANT CREATE ON SCHEMA public TO OWNER").await;
    up(&database.url()).await.unwrap();
    let trap = "CREATE OR REPLACE FUNCTION challenges_catalog.note_shape()
        RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
        BEGIN RAISE EXCEPTION 'stole the rights of %', current_user; END $$";
    database.execute_as(&owner, trap).await;
    let ddl = "CREATE POLICY more ON approach_challenges USING (true)";
    database.execute(ddl).await;
    let mut session = session(&database.url_as(&owner)).await;
    let replace =
        "CREATE OR REPLACE FUNCTION challenges_catalog.watch_table() RETURNS event_trigger
        LANGUAGE plpgsql AS 'BEGIN END'";
    let replaced = sqlx::raw_sql(replace).execute(&mut session).await;
    let problem = replaced.unwrap_err().to_string();
    assert!(problem.contains("must be owner of function"), "{problem}");
}
