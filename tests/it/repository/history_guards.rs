//! The history is added to and never changed or removed, by the owner of its table neither.
use std::time::Duration;

use super::{
    fixture::{Catalog, challenge, id_text},
    verify::{finding_after, lines},
};
use crate::support::wait::eventually;

/// A catalog whose one challenge was added and changed.
async fn edited(catalog: &Catalog) {
    let row = [challenge(1, "beginner", 10, "one")];
    catalog.store.insert_missing(&row).await.unwrap();
    catalog
        .execute("UPDATE approach_challenges SET title = 'two'")
        .await;
    has_revisions(catalog, 2).await;
}

/// Waits until pruning has taken so many revisions into the history, which transactions of others may hold up.
async fn has_revisions(catalog: &Catalog, count: i64) {
    let all_are_kept = async || {
        catalog.head().await;
        catalog.store.prune().await.unwrap();
        catalog.count_of("challenge_revisions").await == count
    };
    let what = format!("{count} revisions");
    eventually(&what, Duration::from_secs(10), all_are_kept).await;
}

pub async fn a_revision_is_never_changed_or_removed(catalog: Catalog) {
    edited(&catalog).await;
    let table = catalog.table("challenge_revisions");
    let last = if catalog.is_postgres() {
        (format!("TRUNCATE {table}"), "TRUNCATE")
    } else {
        let replace = format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}");
        (replace, "REPLACE")
    };
    for (statement, operation) in [
        (format!("UPDATE {table} SET operation = 'found'"), "UPDATE"),
        (
            format!("DELETE FROM {table} WHERE operation = 'created'"),
            "DELETE",
        ),
        last,
    ] {
        let refused = catalog.try_execute(&statement).await.unwrap_err();
        let said = format!("challenge_revisions is append-only: {operation} is refused");
        assert!(refused.contains(&said), "{statement}: {refused}");
    }
    assert_eq!(catalog.count_of("challenge_revisions").await, 2);
}

pub async fn what_is_done_to_challenges_still_adds_revisions(catalog: Catalog) {
    edited(&catalog).await;
    let all = if catalog.is_postgres() {
        "TRUNCATE approach_challenges".to_owned()
    } else {
        let replace = "INSERT OR REPLACE INTO approach_challenges (id, difficulty, title)";
        format!("{replace} VALUES ('{}', 'beginner', 'three')", id_text(1))
    };
    catalog.execute(&all).await;
    has_revisions(&catalog, 3).await;
}

pub async fn a_guard_that_the_history_lost_is_an_error(catalog: Catalog) {
    edited(&catalog).await;
    let (drop, name) = if catalog.is_postgres() {
        let drop = "DROP TRIGGER refuse_truncate ON challenges_catalog.challenge_revisions";
        (drop, "refuse_truncate")
    } else {
        let drop = "DROP TRIGGER challenge_revisions_replace";
        (drop, "challenge_revisions_replace")
    };
    catalog.execute(drop).await;
    let found = lines(&catalog.verify().await).join("\n");
    let start = format!("error trigger {name}: it is missing");
    assert!(found.starts_with(&start), "{found}");
    assert!(
        found.contains(": the history can be changed and removed"),
        "{found}"
    );
    assert_eq!(found.matches("trigger").count(), 1, "{found}");
}

#[tokio::test]
async fn a_guard_of_the_history_that_is_off_or_not_always_on_is_an_error() {
    for (damage, expected) in [
        (
            "ALTER TABLE challenges_catalog.challenge_revisions DISABLE TRIGGER refuse_change",
            "error trigger refuse_change: it is disabled: the history can be changed and removed; `migrate up` mends it",
        ),
        (
            "ALTER TABLE challenges_catalog.challenge_revisions ENABLE TRIGGER refuse_truncate",
            "error trigger refuse_truncate: it is not ENABLE ALWAYS: with session_replication_role = replica the history can be changed and removed; `migrate up` mends it",
        ),
    ] {
        assert_eq!(finding_after(damage).await, expected);
    }
}
