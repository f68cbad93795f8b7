//! The databases that hold the catalog: PostgreSQL and SQLite behind the same ports, their migrations, and
//! `verify`. Knows SQL; knows neither caches nor callers. Start with `datastore`; each engine's statements
//! are beside it in `postgres` and `sqlite`, and what they share is in the `…_row` modules.
mod challenge_row;
mod control_row;
mod datastore;
mod edit_row;
mod invalid_rows;
mod migration;
mod postgres;
mod raw_text;
mod report;
mod row;
mod row_checks;
mod sql_error;
mod sqlite;
mod tip_row;

pub use datastore::{
    AddressSource, Datastore, Location, MigrateSettings, PoolSettings, migrate_up,
    migration_status, open, verify,
};
pub use migration::{MigrationError, MigrationReport, MigrationRow, TableDifference};
#[doc(hidden)]
pub use postgres::fuzzing;
pub use report::{ChallengeCounts, Facts, Finding, Severity, VerifyReport};
