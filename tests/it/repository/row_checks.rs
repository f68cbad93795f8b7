//! `verify` names every row that an import would refuse, by the one set of rules.
use super::{
    fixture::{Catalog, challenge, id_text},
    verify::lines,
};

const TITLE: &str = "warning rows: title is not 1 to 200 characters on one line, in NFC and not blank: imports and edits refuse it";
const DESCRIPTION: &str = "warning rows: description is not at most 5000 characters in NFC without control characters but \\n and \\t: imports and edits refuse it";
const POINTS: &str = "warning rows: points are outside of 0 to 1000: imports and edits refuse them";
const TIPS: &str = "warning rows: tips are not at most 5000 characters in NFC without control characters but \\n and \\t: imports and edits refuse them";

/// Adds a row as other programs do, each value as SQL.
async fn add(catalog: &Catalog, number: u32, title: &str, rest: [&str; 3]) {
    let [description, points, tips] = rest;
    let insert =
        "INSERT INTO approach_challenges (id, difficulty, title, description, points, tips)";
    let row = format!(
        "{insert} VALUES ('{}', 'beginner', {title}, {description}, {points}, {tips})",
        id_text(number)
    );
    catalog.execute(&row).await;
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> String {
    let ids: Vec<_> = numbers.into_iter().map(id_text).collect();
    ids.join(", ")
}

pub async fn rows_that_an_import_would_refuse_are_named_by_field(catalog: Catalog) {
    let long = format!("'{}'", "x".repeat(5_001));
    let huge = format!("'{}'", "x".repeat(30_000));
    let fine = format!("'{}'", "\u{1f600}".repeat(5_000));
    let good = ["''", "10", "NULL"];
    add(&catalog, 1, "' '", ["NULL", "NULL", "NULL"]).await;
    add(&catalog, 2, "'x'", ["'y'", "1001", "NULL"]).await;
    add(&catalog, 3, "'x'", ["'y'", "-1", "NULL"]).await;
    add(&catalog, 4, "'a\u{7}b'", good).await;
    add(&catalog, 5, "'Gro\u{308}sse'", good).await;
    add(&catalog, 6, "'x'", ["'a\r\nb'", "10", "NULL"]).await;
    add(&catalog, 7, "'x'", [&long, "10", "'e\u{301}'"]).await;
    add(&catalog, 8, "''", [&huge, "2000", &huge]).await;
    add(&catalog, 9, "'a b'", [&fine, "1000", "'a\n\tb'"]).await;
    assert_eq!(
        lines(&catalog.verify().await),
        [
            format!("{TITLE}: {}", ids([1, 4, 5, 8])),
            format!("{DESCRIPTION}: {}", ids([6, 7, 8])),
            format!("{POINTS}: {}", ids([2, 3, 8])),
            format!("{TIPS}: {}", ids([7, 8])),
            "note description: 1 rows have none, and are shown with an empty one".to_owned(),
            "note points: 1 rows have none, and are shown with 10".to_owned(),
        ]
    );
}

pub async fn of_many_broken_rows_the_first_are_named_and_the_rest_counted(catalog: Catalog) {
    let rows: Vec<_> = (1..=250)
        .map(|number| challenge(number, "beginner", 10, "one"))
        .collect();
    catalog.store.insert_missing(&rows).await.unwrap();
    assert_eq!(lines(&catalog.verify().await), Vec::<String>::new());
    let damage = format!(
        "UPDATE approach_challenges SET title = '\u{85}' WHERE id >= '{}'",
        id_text(21)
    );
    catalog.execute(&damage).await;
    assert_eq!(
        lines(&catalog.verify().await),
        [format!("{TITLE}: {} and 210 more", ids(21..=40))]
    );
}

#[tokio::test]
async fn on_sqlite_what_stands_behind_a_nul_and_an_id_that_is_none_are_found() {
    let catalog = Catalog::bare_sqlite().await.migrated().await;
    let title = "'x' || char(0) || 'y'";
    add(&catalog, 1, title, ["''", "10", "'x' || char(0)"]).await;
    let odd = "x".repeat(36);
    let insert = "INSERT INTO approach_challenges (id, difficulty, title, description)";
    catalog
        .execute(&format!("{insert} VALUES ('{odd}', 'beginner', 'x', '')"))
        .await;
    assert_eq!(
        lines(&catalog.verify().await),
        [
            format!(
                "error rows: id is no UUID: lists leave them out, and reading them by id finds nothing: {odd}"
            ),
            format!("{TITLE}: {}", id_text(1)),
            format!("{TIPS}: {}", id_text(1)),
        ]
    );
}
