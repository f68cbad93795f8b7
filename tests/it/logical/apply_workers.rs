//! Rows that an apply worker writes are shown by a running replica, and none is called fresh and old.
use std::time::Instant;

use super::fixtures::{HISTORY, beginners, both_migrated, serve, shows};
use crate::support::fleet::titles;

const INSERT: &str = "INSERT INTO approach_challenges (id, difficulty, title) VALUES
    ('00000000-0000-4000-8000-000000000001', 'beginner', 'one'),
    ('00000000-0000-4000-8000-000000000002', 'beginner', 'two')";

#[tokio::test]
async fn what_an_apply_worker_writes_is_shown_and_never_fresh_and_old() {
    let servers = both_migrated().await;
    servers.replicate("TABLE public.approach_challenges").await;
    let replica = serve(&servers.subscriber).await;
    assert!(beginners(&replica).await.challenges.is_empty());
    for (sql, expected) in [
        (INSERT, &["one", "two"][..]),
        (
            "UPDATE approach_challenges SET title = 'first' WHERE title = 'one'",
            &["first", "two"],
        ),
        (
            "UPDATE approach_challenges SET difficulty = 'advanced' WHERE title = 'two'",
            &["first"],
        ),
        (
            "UPDATE approach_challenges SET difficulty = 'beginner'",
            &["first", "two"],
        ),
        (
            "DELETE FROM approach_challenges WHERE title = 'first'",
            &["two"],
        ),
        ("TRUNCATE approach_challenges", &[]),
    ] {
        servers.publisher.execute(sql).await;
        servers.catch_up().await;
        let there = Instant::now();
        shows(&replica, there, sql, |list| titles(list) == expected).await;
    }
    let operations = format!("SELECT string_agg(operation, ' ' ORDER BY id) FROM {HISTORY}");
    assert_eq!(
        servers.subscriber.query_text(&operations).await,
        "created created updated updated updated deleted deleted"
    );
}

#[tokio::test]
async fn the_first_copy_of_the_table_is_made_once_and_shown() {
    const ROWS: i32 = 3_000;
    let servers = both_migrated().await;
    let fill = format!(
        "INSERT INTO approach_challenges (difficulty, title) SELECT 'beginner', 'copied' FROM generate_series(1, {ROWS})"
    );
    servers.publisher.execute(&fill).await;
    let replica = serve(&servers.subscriber).await;
    assert!(beginners(&replica).await.challenges.is_empty());
    servers.replicate("TABLE public.approach_challenges").await;
    let there = Instant::now();
    shows(&replica, there, "all rows are listed", |list| {
        list.total_count == ROWS
    })
    .await;
    let noted = format!("SELECT count(*) FROM {HISTORY} WHERE operation = 'created'");
    assert_eq!(servers.subscriber.query_i64(&noted).await, i64::from(ROWS));
    // Behind the copy, the stream goes on.
    servers
        .publisher
        .execute("UPDATE approach_challenges SET title = 'streamed'")
        .await;
    servers.catch_up().await;
    let there = Instant::now();
    shows(&replica, there, "the stream is shown", |list| {
        titles(list).iter().all(|title| *title == "streamed")
    })
    .await;
}
