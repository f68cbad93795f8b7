//! The composition root: the only module that names both ports and adapters.
mod caches;
mod clock;
mod commands;
mod compose;
mod controls;
mod database;
mod descriptors;
mod greeting;
mod monitor;
mod ops;
mod reload;
mod samples;
mod serve;
mod signals;
mod tips;
mod view;
mod writers;

pub use caches::redis_rules;
pub use commands::{migrate_up, migration_status, prune_history, seed, verify};
pub use greeting::{Greet, Listening};
pub use reload::ReadSettings;
pub use serve::serve;
pub use view::{Error, Fact, Finding, Migrated, Migration, Report, Seeded, Severity};
