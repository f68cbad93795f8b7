//! `man`: pages that a reader of manual pages can read.
use std::fs;

use crate::{startup::ended::run, support::program::run_well};

#[tokio::test]
async fn every_command_has_a_page_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    run_well(&["man", "--folder", pages.to_str().unwrap()], &[]).await;
    let read = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    let top = read("challenges-catalog.1");
    assert_eq!(top.trim(), run_well(&["man"], &[]).await.trim());
    for command in ["admin", "admin-cache", "serve", "tips", "man"] {
        assert!(
            top.contains(".TH") && !read(&format!("challenges-catalog-{command}.1")).is_empty()
        );
    }
    let status = read("challenges-catalog-admin-cache-status.1");
    for text in [r"\fB\-\-watch\fR", r"\fB\-\-addr\fR", "CATALOG_ADDR"] {
        assert!(status.contains(text), "{text}: {status}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let ended = run(&["man", "--folder", "/proc/none"], &[]).await;
    ended.with(1, &["/proc/none"]);
}
