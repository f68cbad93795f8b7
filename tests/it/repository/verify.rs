//! `verify` finds what could make answers wrong, and nothing where nothing is.
use challenges_catalog::repository::{
    ChallengeCounts, Location, MigrateSettings, Severity, VerifyReport, migrate_up, verify,
};

use super::fixture::{Catalog, challenge};
use crate::support::postgres::{self, Database};

pub async fn migrated() -> Database {
    let database = postgres::fresh().await;
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
    let row = "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'x')";
    database.execute(row).await;
    let edit = "UPDATE approach_challenges SET description = ''";
    database.execute(edit).await;
    database
}

pub async fn report(database: &Database) -> VerifyReport {
    report_at(&database.url()).await
}

async fn report_at(url: &str) -> VerifyReport {
    let report = verify(Location::Postgres(url), &|_, _| ()).await;
    report.unwrap()
}

/// The findings in one line each.
pub fn lines(report: &VerifyReport) -> Vec<String> {
    let findings = report.findings.iter();
    let lines = findings.map(|one| format!("{} {}: {}", one.severity, one.subject, one.text));
    lines.collect()
}

/// Runs `damage`, and gives the one finding that it causes.
pub async fn finding_after(damage: &str) -> String {
    let database = migrated().await;
    database.execute(damage).await;
    let mut found = lines(&report(&database).await);
    assert_eq!(found.len(), 1, "{damage}: {found:#?}");
    found.remove(0)
}

async fn a_sound_catalog_has_no_findings(catalog: Catalog) {
    let rows = [
        challenge(1, "beginner", 10, "one"),
        challenge(2, "advanced", 50, "two"),
    ];
    catalog.store.insert_missing(&rows).await.unwrap();
    let report = catalog.verify().await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert_eq!(report.findings, []);
    assert_eq!(report.facts.schema_version, 15);
    let counts = ChallengeCounts {
        total: 2,
        beginner: 1,
        advanced: 1,
        ..ChallengeCounts::default()
    };
    assert_eq!(report.facts.challenges, Some(counts));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["facts"]["challenges"]["total"], 2);
}

async fn an_empty_catalog_wants_seeds(catalog: Catalog) {
    assert_eq!(
        lines(&catalog.verify().await),
        ["warning rows: there are no challenges: run `challenges-catalog seed`"]
    );
}

async fn a_database_that_was_never_migrated_is_an_error(catalog: Catalog) {
    let report = catalog.verify().await;
    assert_eq!(report.findings[0].severity, Severity::Error);
    let found = lines(&report).join("\n");
    assert!(
        found.contains("there is no such table: run `challenges-catalog migrate up`"),
        "{found}"
    );
    assert!(
        found.contains("error migration 0001: create challenges is pending"),
        "{found}"
    );
}

async fn rows_of_flags_that_do_not_do_what_they_say_are_named(catalog: Catalog) {
    let row = [challenge(1, "beginner", 10, "one")];
    catalog.store.insert_missing(&row).await.unwrap();
    let flags = "INSERT INTO feature_flags (name, enabled, environment, rollout_percentage) VALUES
        ('near_cache', true, 'Staging', 100), ('shared_cache', true, 'all', 40), ('of_the_app', true, 'all', 7),
        ('ai_tip', true, 'all', 100)";
    catalog.execute(flags).await;
    let settings = catalog.table("runtime_settings");
    let settings = format!("INSERT INTO {settings} (name, value) VALUES ('cache_ttl_ms', 999)");
    catalog.execute(&settings).await;
    assert_eq!(
        lines(&catalog.verify().await),
        [
            "warning feature flag near_cache: environment must be 1 to 20 of a-z, 0-9, - and _, not \"Staging\": the last good value stays in force",
            "warning feature flag shared_cache: rollout_percentage must be 100, not 40: the flag is for all callers or none: the last good value stays in force",
            "warning runtime setting cache_ttl_ms: value must be 1000 to 604800000, not 999: the last good value stays in force",
            "note feature flag ai_tip: its row is of no flag of this service; did you mean ai_tips?",
        ]
    );
}

macro_rules! both_engines {
    ($($fact:ident after $prepare:ident),+ $(,)?) => {
        mod on_postgres {
            use super::Catalog;
            $(#[tokio::test]
            async fn $fact() {
                let catalog = Catalog::bare_postgres().await;
                super::$fact(super::$prepare(catalog).await).await;
            })+
        }
        mod on_sqlite {
            use super::Catalog;
            $(#[tokio::test]
            async fn $fact() {
                let catalog = Catalog::bare_sqlite().await;
                super::$fact(super::$prepare(catalog).await).await;
            })+
        }
    };
}

async fn migrating(catalog: Catalog) -> Catalog {
    catalog.migrated().await
}

async fn nothing(catalog: Catalog) -> Catalog {
    std::future::ready(catalog).await
}

both_engines!(
    a_database_that_was_never_migrated_is_an_error after nothing,
    a_sound_catalog_has_no_findings after migrating,
    an_empty_catalog_wants_seeds after migrating,
    rows_of_flags_that_do_not_do_what_they_say_are_named after migrating,
);

#[tokio::test]
async fn a_trigger_that_is_missing_off_or_not_always_on_is_an_error() {
    for (damage, expected) in [
        (
            "DROP TRIGGER challenges_catalog_update ON approach_challenges",
            "error trigger challenges_catalog_update: it is missing from approach_challenges: changes go unnoticed",
        ),
        (
            "ALTER TABLE approach_challenges DISABLE TRIGGER challenges_catalog_insert",
            "error trigger challenges_catalog_insert: it is disabled: changes go unnoticed; `migrate up` mends it",
        ),
        (
            "ALTER TABLE challenges_catalog.shown_tips ENABLE TRIGGER note_change",
            "error trigger note_change: it is not ENABLE ALWAYS: changes with session_replication_role = replica go unnoticed; `migrate up` mends it",
        ),
        (
            "ALTER TABLE approach_challenges ENABLE TRIGGER challenges_catalog_replicated",
            "error trigger challenges_catalog_replicated: it is not ENABLE REPLICA: changes with session_replication_role = replica go unnoticed; `migrate up` mends it",
        ),
        (
            "DROP TRIGGER note_change ON challenges_catalog.shown_tips",
            "error trigger note_change: it is missing from shown_tips: changes go unnoticed",
        ),
        (
            "ALTER TABLE challenges_catalog.shown_tips DISABLE TRIGGER note_truncate",
            "error trigger note_truncate: it is disabled: changes go unnoticed; `migrate up` mends it",
        ),
        (
            "DROP TRIGGER challenges_catalog_change ON feature_flags",
            "error trigger challenges_catalog_change: it is missing from feature_flags: changes go unnoticed",
        ),
        (
            "ALTER TABLE challenges_catalog.runtime_settings DISABLE TRIGGER note_change",
            "error trigger note_change: it is disabled: changes go unnoticed; `migrate up` mends it",
        ),
        (
            "ALTER FUNCTION challenges_catalog.note_shown_tip() SECURITY INVOKER",
            "error trigger note_change: its function is not SECURITY DEFINER with a pinned search_path: other writers may fail",
        ),
        (
            "DROP EVENT TRIGGER challenges_catalog_ddl",
            "note event trigger: there is none, or not both, so DDL on the table is noticed only when cached copies expire; `migrate up` by a superuser makes it",
        ),
        (
            "DROP EVENT TRIGGER challenges_catalog_ddl;
            CREATE EVENT TRIGGER challenges_catalog_ddl ON ddl_command_end
            EXECUTE FUNCTION challenges_catalog.watch_table()",
            "warning event trigger challenges_catalog_ddl: it is not as this release makes it: some DDL goes unnoticed: `migrate up` by a superuser makes it anew",
        ),
        (
            "ALTER EVENT TRIGGER challenges_catalog_drop DISABLE",
            "warning event trigger challenges_catalog_drop: it is not ENABLE ALWAYS: some DDL goes unnoticed: `migrate up` by a superuser makes it anew",
        ),
    ] {
        assert_eq!(finding_after(damage).await, expected);
    }
}

#[tokio::test]
async fn a_function_whose_owner_may_not_log_is_an_error() {
    let database = migrated().await;
    let weak = database.create_role("weak").await;
    let damage = format!("ALTER FUNCTION challenges_catalog.note_truncate() OWNER TO {weak}");
    database.execute(&damage).await;
    assert_eq!(
        lines(&report(&database).await),
        [
            format!(
                "error challenges_catalog.note_truncate(): it belongs to {weak}, and public.approach_challenges to \
                 postgres, whose rights our functions run with: `migrate up` by a superuser hands over what migrations made"
            ),
            "error trigger note_truncate: the owner of its function may not write the outbox: every writer fails".to_owned(),
        ]
    );
    database
        .execute("DROP FUNCTION challenges_catalog.note_truncate CASCADE")
        .await;
}

#[tokio::test]
async fn a_lost_check_or_index_is_a_warning_and_a_table_that_is_one_of_several_an_error() {
    for (damage, expected) in [
        (
            "ALTER TABLE approach_challenges DROP CONSTRAINT approach_challenges_difficulty_check",
            "warning difficulty: no valid CHECK keeps it to beginner, intermediate and advanced",
        ),
        (
            "DROP INDEX approach_challenges_catalog_order",
            "warning index approach_challenges_catalog_order: it is missing, so long lists are slow: run `challenges-catalog migrate up`",
        ),
        (
            "CREATE TABLE more () INHERITS (approach_challenges)",
            "error public.approach_challenges: other tables inherit from it: their rows are listed, and changes made to them directly go unnoticed",
        ),
        (
            "CREATE TABLE whole (LIKE approach_challenges) PARTITION BY RANGE (points);
             ALTER TABLE whole ATTACH PARTITION approach_challenges DEFAULT",
            "error public.approach_challenges: it is a partition: changes made by way of the table that it is a part of go unnoticed, \
             and show only when copies expire; detach it, or write to it by its own name",
        ),
    ] {
        assert_eq!(finding_after(damage).await, expected);
    }
}

#[tokio::test]
async fn a_column_of_another_shape_is_an_error() {
    let expected = "error public.approach_challenges: title: expected character varying(200) not null, found text not null";
    let damage = "ALTER TABLE approach_challenges ALTER COLUMN title TYPE text";
    assert_eq!(finding_after(damage).await, expected);
}

#[tokio::test]
async fn what_other_roles_may_do_is_noted() {
    let database = migrated().await;
    let writer = database.create_role("writer").await;
    let grant = format!(
        "GRANT SELECT, INSERT, TRIGGER ON approach_challenges TO {writer};
        GRANT UPDATE (title), REFERENCES (id) ON approach_challenges TO {writer}"
    );
    database.execute(&grant).await;
    let expected = format!("note role {writer}: may INSERT, REFERENCES, TRIGGER, UPDATE");
    assert_eq!(lines(&report(&database).await), [expected]);
}

#[tokio::test]
async fn flags_that_others_may_write_are_an_error() {
    let database = migrated().await;
    let writer = database.create_role("writer").await;
    let admin = database.create_role("admin").await;
    let grant = format!("GRANT INSERT, UPDATE ON feature_flags TO PUBLIC, {writer}, {admin}");
    database.execute(&grant).await;
    // Row level security stops them all.
    assert_eq!(lines(&report(&database).await), Vec::<String>::new());
    let error = |role: &str, rights: &str| {
        format!(
            "error public.feature_flags: role {role} may {rights}: it can switch the catalog off; REVOKE that, or enable \
             row level security without a policy for it (which does not stop TRUNCATE)"
        )
    };
    let passes = format!(
        "note public.feature_flags: role {admin} may INSERT, UPDATE, because it passes over row level security"
    );
    let policies = format!(
        "CREATE POLICY theirs ON feature_flags FOR INSERT TO {writer} WITH CHECK (true);
        CREATE POLICY nobodys ON feature_flags FOR UPDATE USING (false);
        GRANT TRUNCATE ON feature_flags TO {writer};
        ALTER ROLE {admin} BYPASSRLS"
    );
    database.execute(&policies).await;
    assert_eq!(
        lines(&report(&database).await),
        [
            // Who is not named in the policy has the right, and may be a member of the role that is.
            error("PUBLIC", "INSERT"),
            error(&writer, "INSERT, TRUNCATE"),
            passes,
        ]
    );
    let open = format!(
        "ALTER TABLE feature_flags DISABLE ROW LEVEL SECURITY;
        REVOKE ALL ON feature_flags FROM PUBLIC, {writer}"
    );
    database.execute(&open).await;
    assert_eq!(
        lines(&report(&database).await),
        [error(&admin, "INSERT, UPDATE")]
    );
}

#[tokio::test]
async fn an_event_trigger_whose_function_is_not_its_owners_is_warned_of_and_made_anew() {
    let database = migrated().await;
    let other = database.create_role("other").await;
    let damage = format!("ALTER FUNCTION challenges_catalog.watch_table() OWNER TO {other}");
    database.execute(&damage).await;
    let found = lines(&report(&database).await);
    let warned = found.iter().filter(|line| {
        line.starts_with("warning event trigger challenges_catalog_")
            && line.contains("its function belongs to another role")
    });
    assert_eq!(warned.count(), 2, "{found:#?}");
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
    assert_eq!(lines(&report(&database).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_that_policies_keep_out_sees_why() {
    let database = migrated().await;
    let reader = database.create_role("reader").await;
    let grants = format!(
        "GRANT SELECT ON approach_challenges TO {reader};
        GRANT USAGE ON SCHEMA challenges_catalog TO {reader};
        GRANT SELECT ON ALL TABLES IN SCHEMA challenges_catalog TO {reader};
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA challenges_catalog TO {reader};"
    );
    database.execute(&grants).await;
    let seen = async || lines(&report_at(&database.url_as(&reader)).await);
    assert_eq!(seen().await, Vec::<String>::new());
    let narrow =
        "ALTER POLICY \"Anyone can read challenges\" ON approach_challenges USING (points > 0)";
    database.execute(narrow).await;
    let found = seen().await;
    assert!(
        found[0].starts_with("warning row level security: policies let"),
        "{found:?}"
    );
    let none = "DROP POLICY \"Anyone can read challenges\" ON approach_challenges";
    database.execute(none).await;
    let found = seen().await;
    assert!(
        found[0].starts_with("error row level security: it is enabled and no policy"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_role_without_grants_is_told_what_it_lacks() {
    let database = migrated().await;
    let stranger = database.create_role("stranger").await;
    let found = lines(&report_at(&database.url_as(&stranger)).await);
    let all = found.join("\n");
    assert!(
        all.contains("this role may not read public.approach_challenges"),
        "{all}"
    );
    assert!(
        all.contains("this role may not read challenges_catalog.migration"),
        "{all}"
    );
    // Whatever serving takes, and nothing of it is left out here.
    let grants = include_str!("../../../migrations/grants.sql");
    let names = grants
        .lines()
        .filter_map(|line| line.strip_prefix("    challenges_catalog."));
    let mut count = 0;
    for name in names.filter(|name| !name.starts_with("migration")) {
        let needed = match name.split_once('(') {
            Some((function, _)) => format!("no EXECUTE on challenges_catalog.{function}()"),
            None => format!(
                "no SELECT on challenges_catalog.{}",
                name.trim_end_matches(',')
            ),
        };
        assert!(all.contains(&needed), "{needed}: {all}");
        count += 1;
    }
    assert_eq!(count, 42);
}
