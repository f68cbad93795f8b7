use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

use super::{
    database::{location, pool_settings},
    view::{Error, Fact, Migrated, Migration, Report, Seeded, at},
};
use crate::{
    config::DatabaseConfig,
    domain::UnixMicros,
    repository::{self, Facts, MigrateSettings},
    service::{HistoryPruning, seed as seeding},
};

/// Applies what is missing, and tells what that was.
///
/// # Errors
///
/// What kept it from migrating.
pub async fn migrate_up(database: &DatabaseConfig) -> Result<Migrated, Error> {
    let (url, settings) = (&database.url, MigrateSettings::default());
    repository::migrate_up(location(url), &settings)
        .await
        .map_err(at(url))
}

/// Every migration of this version.
///
/// # Errors
///
/// What kept it from looking.
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

/// Adds the challenges of `file`, or those that come with the program, where they are missing.
///
/// # Errors
///
/// What kept it from seeding; nothing was added.
pub async fn seed(database: &DatabaseConfig, file: Option<&Path>) -> Result<Seeded, Error> {
    let text = match file {
        None => seeding::EMBEDDED.to_owned(),
        Some(file) => tokio::fs::read_to_string(file)
            .await
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
    };
    let datastore = repository::open(location(&database.url), &pool_settings(database))?;
    datastore.check().await.map_err(at(&database.url))?;
    let seeded = seeding::load(datastore.as_ref(), &text).await;
    datastore.close().await;
    let seeded = seeded?;
    Ok(Seeded {
        read: seeded.read,
        added: seeded.added,
    })
}

/// Prunes what is older than `older_than` from the history, or only counts it; tells `progress` after each
/// step how many revisions it was, and gives how many in all. `None` when another one is at it.
///
/// # Errors
///
/// What kept it from pruning; what went until then is gone.
pub async fn prune_history(
    database: &DatabaseConfig,
    older_than: Duration,
    is_trial: bool,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Option<u64>, Error> {
    let datastore = repository::open(location(&database.url), &pool_settings(database))?;
    datastore.check().await.map_err(at(&database.url))?;
    let tasks = TaskTracker::new();
    let (store, registry) = (Arc::clone(&datastore), Arc::clone(&datastore));
    let pruning = HistoryPruning::new(store as _, registry as _, tasks.clone());
    let pruned = pruning.prune(older_than, is_trial, progress).await;
    tasks.close();
    tasks.wait().await;
    datastore.close().await;
    pruned.map_err(at(&database.url))
}

/// Looks for faults; changes nothing. `tell` hears how many looks at rows are done, of how many.
///
/// # Errors
///
/// What kept it from looking.
pub async fn verify(
    database: &DatabaseConfig,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, Error> {
    let report = repository::verify(location(&database.url), tell)
        .await
        .map_err(at(&database.url))?;
    Ok(Report {
        facts: facts(report.facts),
        findings: report.findings,
    })
}

fn facts(facts: Facts) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let mut list = vec![fact("engine", facts.engine)];
    if !facts.role.is_empty() {
        list.push(fact("role", facts.role));
    }
    list.push(fact("schema version", facts.schema_version.to_string()));
    if let Some(counts) = facts.challenges {
        list.push(fact("challenges", counts.total.to_string()));
        list.push(fact("challenges, beginner", counts.beginner.to_string()));
        list.push(fact(
            "challenges, intermediate",
            counts.intermediate.to_string(),
        ));
        list.push(fact("challenges, advanced", counts.advanced.to_string()));
    }
    if let Some(usage) = facts.notify_queue_usage {
        list.push(fact(
            "notification queue",
            format!("{:.1} % full", usage * 100.0),
        ));
    }
    list
}

fn rfc3339(at: UnixMicros) -> String {
    let (seconds, nanos) = at.split();
    prost_types::Timestamp { seconds, nanos }.to_string()
}
