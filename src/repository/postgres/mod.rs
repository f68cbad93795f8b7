//! PostgreSQL, for production. `store` runs statements on the pools; `servers`, `pool` and `session` handle failover and
//! connections; `migrate` and `verify` are the commands; every other module implements one port.
mod challenge_writes;
mod challenges;
mod connect;
mod controls;
mod datastore;
mod edit_transaction;
mod edits;
mod error_codes;
mod event_triggers;
mod export;
mod feed;
pub mod fuzzing;
mod history;
mod import;
mod listener;
mod migrate;
mod migration_lock;
mod notification;
mod notification_queue;
mod numbering;
mod order_index;
mod ownership;
mod pool;
mod registry;
mod schema_check;
mod server_address;
mod server_error;
mod servers;
mod session;
mod store;
mod tips;
mod transaction;
mod verify;

pub(super) use migrate::{migrate_up, migration_status};
pub(super) use store::PostgresStore;
pub(super) use verify::verify;
