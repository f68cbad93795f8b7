//! The commands that work on the database without serving: migrate, seed, prune the history, verify.
use std::{path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::{
    database::{location, pool_settings},
    error::{Error, at},
};
use crate::{
    config::{DatabaseConfig, read_text_within},
    domain::UnixMicros,
    repository::{self, Datastore, Facts, MigrateSettings},
    service::{FleetTasks, HistoryPruning, seed as seeding},
};
pub use crate::{
    repository::{Finding, MigrationReport as Migrated, Severity},
    service::seed::Seeding as Seeded,
};

/// A file of seeds is read whole; a larger catalog is imported.
const SEED_FILE_MAX_BYTES: u64 = 64 << 20;

/// One migration of this build.
#[derive(Clone, Debug, Serialize)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// What it does.
    pub name: String,
    /// When it was applied, as RFC 3339; absent while it is pending.
    pub applied_at: Option<String>,
}

/// The result of `verify`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Properties of the database, in display order.
    pub facts: Vec<Fact>,
    /// Problems and notes, the worst first.
    pub findings: Vec<Finding>,
}

/// One property of the database.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// Such as `challenges, beginner`.
    pub name: &'static str,
    /// Such as `4`.
    pub value: String,
}

/// Applies the pending migrations.
///
/// # Errors
///
/// Why the database was not migrated.
pub async fn migrate_up(database: &DatabaseConfig) -> Result<Migrated, Error> {
    let (url, settings) = (&database.url, MigrateSettings::default());
    repository::migrate_up(location(url), &settings)
        .await
        .map_err(at(url))
}

/// Lists every migration of this build.
///
/// # Errors
///
/// Why the list of applied migrations was not read.
pub async fn migration_status(database: &DatabaseConfig) -> Result<Vec<Migration>, Error> {
    let rows = repository::migration_status(location(&database.url))
        .await
        .map_err(at(&database.url))?;
    let view = |row: repository::MigrationRow| Migration {
        version: row.version,
        name: row.name,
        applied_at: row.applied_at.map(rfc3339),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Adds the challenges of `file`, or of the embedded seed, that are missing in the database.
///
/// # Errors
///
/// Why seeding failed; nothing was added.
pub async fn seed(database: &DatabaseConfig, file: Option<&Path>) -> Result<Seeded, Error> {
    let text = match file {
        None => seeding::EMBEDDED.to_owned(),
        Some(file) => read_text_within(file, SEED_FILE_MAX_BYTES)?,
    };
    let datastore = open(database).await?;
    let seeded = seeding::load(datastore.as_ref(), &text).await;
    datastore.close().await;
    Ok(seeded?)
}

/// Prunes revisions older than `older_than` from the history, or with `is_trial` only counts them. Calls
/// `progress` after each step with the revisions of that step. Returns the total; `None` while another
/// process prunes.
///
/// # Errors
///
/// Why pruning stopped; the steps before that are committed.
pub async fn prune_history(
    database: &DatabaseConfig,
    older_than: Duration,
    is_trial: bool,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Option<u64>, Error> {
    let datastore = open(database).await?;
    let tasks = TaskTracker::new();
    let fleet = FleetTasks::new(Arc::clone(&datastore) as _, tasks.clone());
    let pruning = HistoryPruning::new(Arc::clone(&datastore) as _, fleet);
    let pruned = pruning.prune(older_than, is_trial, progress).await;
    tasks.close();
    tasks.wait().await;
    datastore.close().await;
    pruned.map_err(at(&database.url))
}

/// Checks the database and changes nothing. Calls `progress` with the number of rows checked so far and
/// the total.
///
/// # Errors
///
/// Why the database was not checked.
pub async fn verify(
    database: &DatabaseConfig,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, Error> {
    let report = repository::verify(location(&database.url), progress)
        .await
        .map_err(at(&database.url))?;
    Ok(Report {
        facts: facts(report.facts),
        findings: report.findings,
    })
}

/// Opens the database and checks that its schema is the one that this build needs.
async fn open(database: &DatabaseConfig) -> Result<Arc<dyn Datastore>, Error> {
    let datastore = repository::open(location(&database.url), &pool_settings(database))?;
    datastore.check().await.map_err(at(&database.url))?;
    Ok(datastore)
}

fn facts(facts: Facts) -> Vec<Fact> {
    let mut list = vec![("engine", facts.engine)];
    if !facts.role.is_empty() {
        list.push(("role", facts.role));
    }
    list.push(("schema version", facts.schema_version.to_string()));
    if let Some(counts) = facts.challenges {
        list.extend([
            ("challenges", counts.total.to_string()),
            ("challenges, beginner", counts.beginner.to_string()),
            ("challenges, intermediate", counts.intermediate.to_string()),
            ("challenges, advanced", counts.advanced.to_string()),
        ]);
    }
    if let Some(usage) = facts.notify_queue_usage {
        let value = format!("{:.1} % full", usage * 100.0);
        list.push(("notification queue", value));
    }
    let list = list.into_iter();
    list.map(|(name, value)| Fact { name, value }).collect()
}

fn rfc3339(at: UnixMicros) -> String {
    let (seconds, nanos) = at.split();
    prost_types::Timestamp { seconds, nanos }.to_string()
}
