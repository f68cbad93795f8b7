//! SQLite, the embedded default: one file that belongs to one process. `store` opens it and runs statements; `migrate` and
//! `verify` are the commands; every other module implements one port.
mod challenge_writes;
mod challenges;
mod connect;
mod controls;
mod database_file;
mod datastore;
mod edits;
mod export;
mod feed;
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
