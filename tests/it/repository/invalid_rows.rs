//! A row that cannot be shown costs that row and no other.
use challenges_catalog::{
    domain::{Difficulty, ListQuery, PageSize, RawFlag, UnixMicros},
    repository::{Location, MigrateSettings, MigrationError, migrate_up, verify},
};

use super::{
    fixture::{Catalog, challenge, id, id_text, open},
    reads::{all, titles},
    verify::lines,
};
use crate::support::postgres;

const TOO_LONG: usize = 262_145;
const LEFT_OUT: &str = "lists leave them out, and reading them by id finds nothing";

/// Adds `count` ordinary rows, the first with id 1.
async fn fill(catalog: &Catalog, count: u32) {
    let rows: Vec<_> = (1..=count)
        .map(|number| challenge(number, "beginner", 10, &format!("title {number:03}")))
        .collect();
    catalog.store.insert_missing(&rows).await.unwrap();
}

async fn change(catalog: &Catalog, number: u32, change: &str) {
    let row = id_text(number);
    let update = format!("UPDATE approach_challenges SET {change} WHERE id = '{row}'");
    catalog.execute(&update).await;
}

/// A text of so many bytes, as SQL of either engine.
fn text_of(catalog: &Catalog, bytes: usize) -> String {
    if catalog.is_postgres() {
        format!("repeat('x', {bytes})")
    } else {
        format!("printf('%.*c', {bytes}, 'x')")
    }
}

/// A moment, as the engine's column has it.
fn moment(catalog: &Catalog, postgres: &str, micros: i64) -> String {
    if catalog.is_postgres() {
        format!("'{postgres}'")
    } else {
        micros.to_string()
    }
}

pub async fn a_time_outside_of_the_years_1_to_9999_is_shown_as_none(catalog: Catalog) {
    fill(&catalog, 4).await;
    let beyond = [
        ("294276-12-31 23:59:59.999999+00", i64::MAX),
        ("10000-01-01 00:00:00+00", 253_402_300_800_000_000),
        ("0001-12-31 23:59:59.999999+00 BC", -62_135_596_800_000_001),
    ];
    for (number, (postgres, micros)) in (1..).zip(beyond) {
        let time = moment(&catalog, postgres, micros);
        let times = format!("created_at = {time}, updated_at = {time}");
        change(&catalog, number, &times).await;
    }
    let last = moment(
        &catalog,
        "9999-12-31 23:59:59.999999+00",
        253_402_300_799_999_999,
    );
    let first = moment(&catalog, "0001-01-01 00:00:00+00", -62_135_596_800_000_000);
    change(
        &catalog,
        4,
        &format!("created_at = {first}, updated_at = {last}"),
    )
    .await;
    let page = catalog.store.list(&all(10)).await.unwrap().value;
    let times: Vec<_> = page
        .challenges
        .iter()
        .map(|found| (found.created_at, found.updated_at))
        .collect();
    let edge = (
        Some(UnixMicros(-62_135_596_800_000_000)),
        Some(UnixMicros(253_402_300_799_999_999)),
    );
    assert_eq!(times, [(None, None), (None, None), (None, None), edge]);
    let found = catalog.store.find_many(&[id(1), id(4)]).await.unwrap();
    assert_eq!(found.value.len(), 2);
    let mut export = catalog
        .store
        .export(std::time::Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(export.next().await.unwrap().len(), 4);
    let note =
        "note times: 3 rows have one outside of the years 1 to 9999, and are shown without it";
    assert_eq!(lines(&catalog.verify().await), [note]);
}

pub async fn a_text_of_more_than_256_kib_costs_its_row_and_no_other(catalog: Catalog) {
    fill(&catalog, 5).await;
    let (long, most) = (text_of(&catalog, TOO_LONG), text_of(&catalog, TOO_LONG - 1));
    change(&catalog, 2, &format!("description = {long}")).await;
    change(
        &catalog,
        3,
        &format!("tips = {}", text_of(&catalog, 20 << 20)),
    )
    .await;
    change(&catalog, 4, &format!("description = {most}, tips = {most}")).await;
    let page = catalog.store.list(&all(10)).await.unwrap().value;
    assert_eq!(
        (page.challenges.len(), page.total_count, page.has_more),
        (3, 3, false)
    );
    assert_eq!(page.challenges[1].description.len(), TOO_LONG - 1);
    let found = catalog
        .store
        .find_many(&[1, 2, 3, 4, 5].map(id))
        .await
        .unwrap();
    assert_eq!(found.value.len(), 3);
    let mut export = catalog
        .store
        .export(std::time::Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(export.next().await.unwrap().len(), 3);
    assert!(export.next().await.unwrap().is_empty());
    let found = lines(&catalog.verify().await);
    let errors: Vec<_> = found
        .iter()
        .filter(|line| line.starts_with("error"))
        .collect();
    assert_eq!(
        errors,
        [
            &format!(
                "error rows: description has more than 262144 bytes: {LEFT_OUT}: {}",
                id_text(2)
            ),
            &format!(
                "error rows: tips has more than 262144 bytes: {LEFT_OUT}: {}",
                id_text(3)
            ),
        ]
    );
}

pub async fn pages_go_on_behind_rows_that_cannot_be_shown(catalog: Catalog) {
    fill(&catalog, 60).await;
    let long = text_of(&catalog, TOO_LONG);
    let odd = format!("id BETWEEN '{}' AND '{}'", id_text(4), id_text(48));
    catalog
        .execute(&format!(
            "UPDATE approach_challenges SET description = {long} WHERE {odd}"
        ))
        .await;
    let mut query = all(5);
    let mut seen = Vec::new();
    loop {
        let page = catalog.store.list(&query).await.unwrap().value;
        assert_eq!(page.total_count, 15);
        seen.extend(page.challenges.iter().map(|found| found.id));
        let Some(next) = page.next() else { break };
        assert_eq!(page.challenges.len(), 5);
        query.after = Some(next);
    }
    let expected: Vec<_> = (1..=3).chain(49..=60).map(id).collect();
    assert_eq!(seen, expected);
    assert!(!catalog.store.list(&all(15)).await.unwrap().value.has_more);
    let mut export = catalog
        .store
        .export(std::time::Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(export.next().await.unwrap().len(), 15);
}

pub async fn a_flag_stays_in_force_whatever_else_its_row_says(catalog: Catalog) {
    let flags = "INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', false), ('of_the_app', true)";
    catalog.execute(flags).await;
    let time = moment(&catalog, "294276-12-31 23:59:59.999999+00", i64::MAX);
    let long = text_of(&catalog, TOO_LONG);
    let odd = format!("UPDATE feature_flags SET created_at = {time}, updated_at = {time}");
    catalog.execute(&odd).await;
    let odd = format!("UPDATE feature_flags SET description = {long} WHERE name = 'near_cache'");
    catalog.execute(&odd).await;
    let rows = catalog.store.controls().await.unwrap();
    let row = rows
        .flags
        .iter()
        .find(|row| row.name == "near_cache")
        .unwrap();
    let raw = RawFlag {
        enabled: Some(false),
        rollout: Some(100),
    };
    assert_eq!(
        (row.raw, &row.description, row.created_at),
        (raw, &None, None)
    );
    assert_eq!(rows.flags.len(), 1, "others' flags are not read");
    fill(&catalog, 1).await;
    let found = lines(&catalog.verify().await);
    let told = "error feature flag near_cache: the row as a whole has more than 262144 bytes, or bytes that are no text: it counts, but is not shown in full, and no call can change it";
    assert!(found.iter().any(|line| line == told), "{found:#?}");
}

#[tokio::test]
async fn on_sqlite_a_text_that_is_not_utf_8_and_points_beyond_32_bits_cost_their_rows() {
    let catalog = Catalog::bare_sqlite().await.migrated().await;
    fill(&catalog, 5).await;
    change(&catalog, 1, "points = 2147483648").await;
    change(&catalog, 2, "title = CAST(x'ff' AS TEXT)").await;
    change(&catalog, 3, "tips = CAST(x'c328' AS TEXT)").await;
    let odd = "x".repeat(36);
    change(&catalog, 4, &format!("id = '{odd}'")).await;
    assert_eq!(titles(&catalog, &all(10)).await, ["title 005"]);
    let ids = [1, 2, 3, 4, 5].map(id);
    assert_eq!(catalog.store.find_many(&ids).await.unwrap().value.len(), 1);
    let found = lines(&catalog.verify().await);
    let errors: Vec<_> = found
        .iter()
        .filter(|line| line.starts_with("error"))
        .collect();
    assert_eq!(
        errors,
        [
            &format!("error rows: id is no UUID: {LEFT_OUT}: {odd}"),
            &format!(
                "error rows: points are not within 32 bits: {LEFT_OUT}: {}",
                id_text(1)
            ),
            &format!("error rows: tips is not UTF-8: {LEFT_OUT}: {}", id_text(3)),
            &format!("error rows: title is not UTF-8: {LEFT_OUT}: {}", id_text(2)),
        ]
    );
}

#[tokio::test]
async fn on_sqlite_a_table_of_flags_that_was_taken_over_may_have_values_of_any_type() {
    let catalog = Catalog::bare_sqlite().await;
    let table = "CREATE TABLE feature_flags (id, name, enabled, description, environment, rollout_percentage,
        created_at, updated_at, created_by, updated_by)";
    catalog.execute(table).await;
    let catalog = catalog.migrated().await;
    let rows = "INSERT INTO feature_flags VALUES
        (1, 'near_cache', 0, x'ff', 'all', 100, 'yesterday', 1.5, NULL, NULL),
        (2, 'ai_tips', 'yes', 'a', 'all', 'half', 0, 0, NULL, NULL),
        (3, x'ff', 1, 'a', 'all', 100, 0, 0, NULL, NULL)";
    catalog.execute(rows).await;
    let flags = catalog.store.controls().await.unwrap().flags;
    let raw = |enabled, rollout| RawFlag { enabled, rollout };
    let seen: Vec<_> = flags.iter().map(|row| row.raw).collect();
    assert_eq!(seen, [raw(Some(false), Some(100)), raw(None, None)]);
}

#[tokio::test]
async fn columns_of_others_beside_ours_take_nothing_away_from_reads() {
    let catalog = Catalog::bare_postgres().await.migrated().await;
    fill(&catalog, 2).await;
    let insert = "INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', true)";
    catalog.execute(insert).await;
    let columns = "CREATE TYPE mood AS ENUM ('calm', 'brave');
        ALTER TABLE approach_challenges DISABLE TRIGGER USER;
        ALTER TABLE feature_flags DISABLE TRIGGER USER;
        ALTER TABLE approach_challenges ADD COLUMN mood mood DEFAULT 'calm', ADD COLUMN extra json;
        ALTER TABLE feature_flags ADD COLUMN mood mood DEFAULT 'calm', ADD COLUMN extra json;
        UPDATE approach_challenges SET extra = '{\"a\": \"\\u0000\"}';
        UPDATE feature_flags SET extra = '{\"a\": \"\\u0000\"}';";
    catalog.execute(columns).await;
    assert_eq!(titles(&catalog, &all(10)).await.len(), 2);
    assert_eq!(
        catalog.store.find_many(&[id(1)]).await.unwrap().value.len(),
        1
    );
    assert_eq!(catalog.store.controls().await.unwrap().flags.len(), 1);
    let found = lines(&catalog.verify().await).join("\n");
    assert!(
        !found.contains("error rows") && !found.contains("flag"),
        "{found}"
    );
}

#[tokio::test]
async fn a_row_of_an_unknown_difficulty_is_found_by_nobody_and_named_by_verify() {
    let catalog = Catalog::bare_postgres().await.migrated().await;
    fill(&catalog, 2).await;
    catalog
        .execute(
            "ALTER TABLE approach_challenges DROP CONSTRAINT approach_challenges_difficulty_check",
        )
        .await;
    change(&catalog, 1, "difficulty = 'easy'").await;
    let found = catalog
        .store
        .find_many(&[id(1), id(2)])
        .await
        .unwrap()
        .value;
    assert_eq!(found.len(), 1);
    let beginners = ListQuery::first(Some(Difficulty::Beginner), PageSize::DEFAULT);
    assert_eq!(titles(&catalog, &beginners).await, ["title 002"]);
    let line = format!(
        "error rows: difficulty is none of beginner, intermediate, advanced: {LEFT_OUT}: {}",
        id_text(1)
    );
    let report = catalog.verify().await;
    assert_eq!(lines(&report)[0], line);
    assert_eq!(report.facts.challenges.unwrap().other, 1);
}

#[tokio::test]
async fn a_database_that_is_not_in_utf_8_is_refused_with_words() {
    let database = postgres::fresh().await;
    let other = format!("latin_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE DATABASE {other} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    database.execute(&create).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{other}", database.port());
    let place = Location::Postgres(&url);
    let refused = migrate_up(place, &MigrateSettings::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, MigrationError::Encoding(_)),
        "{refused:?}"
    );
    let words = "the database is in LATIN1, and must be in UTF8: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and bring the tables there; nothing was changed";
    assert_eq!(refused.to_string(), words);
    let store = open(place);
    let refused = store.check().await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::Encoding(_)),
        "{refused:?}"
    );
    store.close().await;
    let found = lines(&verify(place, &|_, _| ()).await.unwrap());
    assert!(
        found[0].starts_with("error database: the database is in LATIN1"),
        "{found:?}"
    );
    database
        .execute(&format!("DROP DATABASE {other} WITH (FORCE)"))
        .await;
}
