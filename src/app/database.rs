use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};

use super::view::Error;
use crate::{
    config::{DatabaseConfig, DatabaseUrl},
    domain::{DatabaseProbe, ListQuery, PageSize, PoolState},
    repository::{self, Datastore, Location, MigrateSettings, MigrationError, PoolSettings},
    service::seed,
};

/// A database that does not answer at the start may be starting too; after so long we give up.
const STARTUP_PATIENCE: Duration = Duration::from_secs(10);
const STARTUP_PAUSE: Duration = Duration::from_millis(250);

/// Opens the database, with the schema that this build needs; the embedded one
/// is made and seeded where it is missing.
pub(super) async fn connect(config: &DatabaseConfig) -> Result<Arc<dyn Datastore>, Error> {
    let location = location(&config.url);
    let gives_up = Instant::now() + STARTUP_PATIENCE;
    let datastore = repository::open(location, &pool_settings(config))?;
    let mut told = false;
    loop {
        let ready = async {
            if config.auto_migrate {
                repository::migrate_up(location, &MigrateSettings::default()).await?;
            }
            datastore.check().await
        };
        match ready.await {
            Ok(()) => break,
            Err(MigrationError::Unreachable(cause) | MigrationError::NotWritable(cause))
                if Instant::now() < gives_up =>
            {
                if !told {
                    tracing::warn!(database = %config.url, cause, "waiting for the database");
                    told = true;
                }
                sleep(STARTUP_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let DatabaseUrl::Sqlite(file) = &config.url {
        let first = ListQuery::first(None, PageSize::DEFAULT);
        if datastore.list(&first).await?.value.total_count == 0 {
            let added = seed::load(datastore.as_ref(), seed::EMBEDDED).await?.added;
            tracing::info!(file = %file.display(), added, "seeded a new catalog");
        }
    }
    datastore.fill().await?;
    Ok(datastore)
}

/// Where the database is, with its password: for opening, not for showing.
pub(super) fn location(url: &DatabaseUrl) -> Location<'_> {
    match url {
        DatabaseUrl::Sqlite(file) => Location::Sqlite(file),
        DatabaseUrl::Postgres(url) => Location::Postgres(url.expose_secret()),
    }
}

pub(super) fn pool_settings(config: &DatabaseConfig) -> PoolSettings {
    PoolSettings {
        min_connections: config.pool_min,
        max_connections: config.pool_max,
        acquire_timeout: config.acquire_timeout,
        statement_timeout: config.statement_timeout,
        ..PoolSettings::default()
    }
}

/// Lets the cache ask how the database does.
pub(super) struct Probe(pub(super) Arc<dyn Datastore>);

impl DatabaseProbe for Probe {
    fn pool(&self) -> PoolState {
        self.0.pool()
    }
}
