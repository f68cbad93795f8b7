//! The composition root: the only module that names both ports and adapters. [`serve()`] runs the server,
//! `compose` builds it, and the other public functions are the commands that need no server.
mod access_entry;
mod access_files;
mod caches;
mod clock;
mod commands;
mod compose;
mod control_applier;
mod database;
mod dependency_probe;
mod edges;
mod error;
mod file_descriptors;
mod health_monitor;
mod http;
mod hysteresis;
mod listeners;
mod ops;
mod output_file;
mod provider_clients;
mod reload;
mod serve;
mod signals;
mod startup_message;
mod tips;
mod watched_contents;

pub use crate::access::NewToken;
pub use access_entry::AccessEntry;
pub use access_files::access_problems;
pub use caches::redis_rules;
pub use commands::{
    Fact, Finding, Migrated, Migration, Report, Seeded, Severity, migrate_up, migration_status,
    prune_history, seed, verify,
};
pub use error::Error;
pub use output_file::OutputFile;
pub use reload::ReadSettings;
pub use serve::serve;
pub use startup_message::{CallNeeds, Greet, Listening};
