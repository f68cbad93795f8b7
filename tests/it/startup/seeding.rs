//! Seeds: all or nothing, as often as one likes, and never over somebody's work.
use std::{fs, path::Path};

use sqlx::{Connection, SqliteConnection};

use super::ended::{run, sqlite};
use crate::support::{program::run_well, replica::Replica};

async fn count(file: &Path, condition: &str) -> i64 {
    let url = format!("sqlite:{}", file.display());
    let mut file = SqliteConnection::connect(&url).await.unwrap();
    let count = format!("SELECT count(*) FROM approach_challenges WHERE {condition}");
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
    count.fetch_one(&mut file).await.unwrap()
}

#[tokio::test]
async fn seeding_twice_adds_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sqlite");
    let environment = sqlite(&file);
    run_well(&["migrate", "up"], &environment).await;
    let first = run_well(&["seed", "--output", "json"], &environment).await;
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert!(first["added"].as_u64() >= Some(12) && first["added"] == first["read"]);
    let second = run_well(&["seed"], &environment).await;
    assert!(second.starts_with("0 challenges added"), "{second}");
    assert_eq!(count(&file, "true").await, first["read"].as_i64().unwrap());
}

#[tokio::test]
async fn an_edited_row_is_left_as_it_is_by_seed_and_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sqlite");
    let environment = sqlite(&file);
    let replica = Replica::start(&environment).await;
    let url = format!("sqlite:{}", file.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let edit = "UPDATE approach_challenges SET title = 'Mine' WHERE id =
        (SELECT min(id) FROM approach_challenges)";
    sqlx::raw_sql(edit).execute(&mut other).await.unwrap();
    let delete = "DELETE FROM approach_challenges WHERE id =
        (SELECT max(id) FROM approach_challenges)";
    sqlx::raw_sql(delete).execute(&mut other).await.unwrap();
    let left = count(&file, "true").await;
    assert_eq!(replica.sigterm_and_wait().await.code(), Some(0));
    let again = Replica::start(&environment).await;
    assert_eq!(
        count(&file, "true").await,
        left,
        "who deletes a row is right"
    );
    run_well(&["seed"], &environment).await;
    assert_eq!(count(&file, "title = 'Mine'").await, 1);
    assert_eq!(count(&file, "true").await, left + 1);
    drop(again);
}

#[tokio::test]
async fn of_a_file_with_bad_rows_nothing_is_loaded_and_each_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, seeds) = (folder.path().join("a.sqlite"), folder.path().join("s.json"));
    let environment = sqlite(&file);
    run_well(&["migrate", "up"], &environment).await;
    let good = r#"{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":"T","points":10}"#;
    let other = good.replace("2b01", "2b02");
    let hard = other.replace("beginner", "hard").replace("\"T\"", "\"\"");
    let many = other.replace(":10", ":1001");
    let texts = [
        (
            format!("[{good},{hard}]"),
            &["row 2, difficulty", "row 2, title"][..],
        ),
        (format!("[{good},{many}]"), &["row 2, points"]),
        (
            format!("[{good},{}]", good.replace('T', "U")),
            &["row 2, id"],
        ),
        (format!("[{good},7]"), &["row 2"]),
        (format!("[{good},"), &["not a list of challenges"]),
        (good.to_owned(), &["not a list of challenges"]),
        (String::new(), &["not a list of challenges"]),
    ];
    let seed = ["seed", "--file", seeds.to_str().unwrap()];
    for (text, named) in &texts {
        fs::write(&seeds, text).unwrap();
        let ended = run(&seed, &environment).await;
        ended.with(1, named);
        ended.with(1, &["nothing was added"]);
        assert_eq!(count(&file, "true").await, 0, "{text}");
    }
    fs::remove_file(&seeds).unwrap();
    run(&seed, &environment)
        .await
        .with(1, &["s.json", "No such file"]);
}
