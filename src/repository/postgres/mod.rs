//! PostgreSQL: production.
mod challenges;
mod codes;
mod controls;
mod edit_transaction;
mod edits;
mod event_trigger;
mod export;
mod feed;
mod import;
mod listener;
mod migrate;
mod migration_lock;
mod order_index;
mod ownership;
mod registry;
mod shape;
mod store;
mod tip_batches;
mod tips;
mod verify;

pub(super) use migrate::{migrate_up, migration_status};
pub(super) use store::PostgresStore;
pub(super) use verify::verify;
