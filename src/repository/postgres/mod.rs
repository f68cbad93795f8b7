//! PostgreSQL: production.
mod challenges;
mod codes;
mod connect;
mod controls;
mod current;
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
mod servers;
mod shape;
mod store;
mod tip_batches;
mod tips;
mod unfit;
mod verify;

pub(super) use migrate::{migrate_up, migration_status};
pub(super) use store::PostgresStore;
pub(super) use verify::verify;
