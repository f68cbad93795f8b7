//! The databases that hold the catalog: PostgreSQL and SQLite behind the same
//! ports, their schemas, and what can be wrong in them. Knows SQL; knows
//! neither caches nor callers.
mod challenge_row;
mod control_row;
mod datastore;
mod edit_row;
mod fault;
mod migration;
mod odd_rows;
mod postgres;
mod range;
mod report;
mod row;
mod rows_check;
mod settings;
mod sqlite;
mod text;
mod tip_row;

pub use datastore::{
    AddressSource, Datastore, Location, migrate_up, migration_status, open, verify,
};
pub use migration::{MigrationError, MigrationReport, MigrationRow, ShapeDifference};
pub use report::{Counts, Facts, Finding, Report, Severity};
pub use settings::{MigrateSettings, PoolSettings};
