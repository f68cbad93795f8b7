//! What is asked before a challenge is deleted.
use super::terminal::Terminal;
use crate::support::{program::run_well, replica::Replica};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

#[tokio::test]
async fn a_deletion_that_is_answered_with_no_changes_nothing() {
    let replica = Replica::start(&[]).await;
    let delete = ["admin", "challenges", "delete", SEEDED];
    let addr = replica.addr().to_string();
    let mut terminal = Terminal::run(&delete, &addr);
    terminal.shows("Greet a neighbour by name").await;
    terminal.shows("Go on? [y/N] ").await;
    terminal.types("n\n").await;
    let (code, seen) = terminal.ended().await;
    assert_eq!(code, Some(1), "{seen:?}");
    assert!(
        seen.contains("not confirmed; nothing was changed"),
        "{seen:?}"
    );
    run_well(&["get", SEEDED], &[("CATALOG_ADDR", addr)]).await;
}
