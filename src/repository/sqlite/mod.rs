//! SQLite: the embedded default, one file.
mod challenges;
mod controls;
mod edits;
mod export;
mod feed;
mod file;
mod history;
mod import;
mod migrate;
mod registry;
mod store;
mod tips;
mod verify;

pub(super) use migrate::{migrate_up, migration_status};
pub(super) use store::SqliteStore;
pub(super) use verify::verify;
