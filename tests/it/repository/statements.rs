//! The statements behind lists read one range of one index, however long the table is.
use challenges_catalog::repository::{Location, MigrateSettings, migrate_up};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tempfile::TempDir;

use super::fixture::{run, session};
use crate::support::postgres;

const INDEX: &str = "approach_challenges_catalog_order";

#[tokio::test]
async fn a_page_on_postgres_is_one_scan_of_the_order_index() {
    let database = postgres::fresh().await;
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
    let fill = "INSERT INTO approach_challenges (difficulty, title, points)
        SELECT (ARRAY['beginner', 'intermediate', 'advanced'])[1 + i % 3], 'title ' || i, i % 50
        FROM generate_series(1, 5000) AS i;
        INSERT INTO challenges_catalog.shown_tips
        SELECT id, '', '', 'tip', now(), now() FROM approach_challenges;
        ANALYZE;";
    database.execute(fill).await;
    let mut session = session(&database.url()).await;
    let list = include_str!("../../../src/repository/postgres/sql/list.sql");
    let prepare = format!(
        "SET plan_cache_mode = force_generic_plan;
        PREPARE list (text[], integer, integer, integer, integer, text, uuid, bigint, bigint) AS {list}"
    );
    run(&mut session, &prepare).await;
    let explain = "EXPLAIN EXECUTE list (
        '{beginner}', 1, 1, 0, 0, '', '00000000-0000-0000-0000-000000000000', 51, NULL)";
    let plan: Vec<String> = sqlx::query_scalar(explain)
        .fetch_all(&mut session)
        .await
        .unwrap();
    let plan = plan.join("\n");
    let scan = format!("Index Scan using {INDEX}");
    assert_eq!(plan.matches(&scan).count(), 1, "{plan}");
    assert!(plan.contains("Index Cond: ((CASE difficulty"), "{plan}");
    assert!(plan.contains("ROW($4, $5, $6, $7)"), "{plan}");
    // Once for each row of the page, which has its limit.
    let tips = "Index Scan using shown_tips_pkey on shown_tips tip";
    assert_eq!(plan.matches(tips).count(), 1, "{plan}");
    assert_eq!(plan.matches("shown_tips").count(), 2, "{plan}");
}

#[tokio::test]
async fn a_page_of_the_check_is_one_scan_of_the_primary_key() {
    let database = postgres::fresh().await;
    let settings = MigrateSettings::default();
    migrate_up(Location::Postgres(&database.url()), &settings)
        .await
        .unwrap();
    let fill = "INSERT INTO approach_challenges (difficulty, title)
        SELECT 'beginner', 'title ' || i FROM generate_series(1, 5000) AS i;
        ANALYZE;";
    database.execute(fill).await;
    let mut session = session(&database.url()).await;
    let check = include_str!("../../../src/repository/postgres/sql/verify_rows.sql");
    run(
        &mut session,
        &format!("PREPARE page (text, bigint) AS {check}"),
    )
    .await;
    let explain = "EXPLAIN EXECUTE page ('00000000-0000-0000-0000-000000000000', 100)";
    let plan: Vec<String> = sqlx::query_scalar(explain)
        .fetch_all(&mut session)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(
        plan.contains("Index Scan using approach_challenges_pkey"),
        "{plan}"
    );
    assert!(!plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn a_page_on_sqlite_is_one_search_of_the_order_index() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("catalog.sqlite");
    let settings = MigrateSettings::default();
    migrate_up(Location::Sqlite(&file), &settings)
        .await
        .unwrap();
    let url = format!("sqlite:{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let list = include_str!("../../../src/repository/sqlite/sql/list.sql");
    let explain = format!("EXPLAIN QUERY PLAN {list}");
    let steps = sqlx::query(AssertSqlSafe(explain))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
    let search = format!("SEARCH approach_challenges USING INDEX {INDEX}");
    let tips = "SEARCH shown USING INDEX sqlite_autoindex_shown_tips_1 (challenge=?)";
    for expected in [&search, tips] {
        let is_expected = |step: &String| step.starts_with(expected);
        assert_eq!(
            steps.iter().filter(|step| is_expected(step)).count(),
            1,
            "{steps:#?}"
        );
    }
}
