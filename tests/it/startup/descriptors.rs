//! File descriptors: as many as the system allows.
use std::fs;

use crate::support::replica::Replica;

#[tokio::test]
async fn the_limit_of_descriptors_is_raised_to_what_the_system_allows() {
    let replica = Replica::start_after("ulimit -Sn 128", &[]).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", replica.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<_> = line.unwrap().split_whitespace().skip(3).collect();
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], "128");
}

#[tokio::test]
async fn fewer_descriptors_than_connections_are_warned_of() {
    let warning = "too few file descriptors";
    let few = Replica::start_after("ulimit -n 300", &[]).await;
    assert!(few.log().contains(warning));
    let settings = [("CATALOG_MAX_CONNECTIONS", "40".to_owned())];
    let enough = Replica::start_after("ulimit -n 300", &settings).await;
    assert!(!enough.log().contains(warning));
}
