//! Opens the database for the server: waits for it, migrates and seeds it, fills its pools.
use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::{
    config::{DatabaseConfig, DatabaseUrl},
    domain::{self, ListQuery, PageSize},
    repository::{self, Datastore, Location, MigrateSettings, MigrationError, PoolSettings},
    service::seed,
};

/// How long the server waits for a database that may still be starting.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
const STARTUP_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Opens the database and checks that its schema is the one that this build needs. Creates and seeds the
/// embedded database where it is missing. `max_staleness` is how long answers are fresh after a poll.
pub(super) async fn connect(
    config: &DatabaseConfig,
    max_staleness: Duration,
) -> Result<Arc<dyn Datastore>, Error> {
    let location = location(&config.url);
    let settings = PoolSettings {
        poll_timeout: max_staleness / 2,
        ..pool_settings(config)
    };
    let datastore = repository::open(location, &settings)?;
    if let Some(file) = config.url_file.clone() {
        datastore.set_address_source(Arc::new(move || match DatabaseUrl::read(&file) {
            Ok(DatabaseUrl::Postgres(urls)) => Some(urls.expose_secret().to_owned()),
            Ok(DatabaseUrl::Sqlite(_)) => None,
            Err(problem) => {
                tracing::warn!(
                    component = "database",
                    problem,
                    "DATABASE_URL_FILE cannot be read; the login stays as it was"
                );
                None
            }
        }));
    }
    let check = async || {
        if config.auto_migrate {
            repository::migrate_up(location, &MigrateSettings::default()).await?;
        }
        datastore.check().await
    };
    retry_while_starting(config, check).await?;
    if let DatabaseUrl::Sqlite(file) = &config.url {
        let first = ListQuery::first(None, PageSize::DEFAULT);
        // On a busy machine even a file may take longer to open than one attempt lasts.
        let read = async || {
            let page = datastore.list(&first).await;
            page.map(drop).map_err(unreachable)
        };
        retry_while_starting(config, read).await?;
        if datastore.list(&first).await?.value.total_count == 0 {
            let added = seed::load(datastore.as_ref(), seed::EMBEDDED).await?.added;
            tracing::info!(file = %file.display(), added, "seeded a new catalog");
        }
    }
    let fill = async || datastore.fill_pools().await.map_err(unreachable);
    retry_while_starting(config, fill).await?;
    Ok(datastore)
}

/// Repeats `work` for up to [`STARTUP_TIMEOUT`] while the database cannot be reached or takes no writes.
async fn retry_while_starting(
    config: &DatabaseConfig,
    work: impl AsyncFn() -> Result<(), MigrationError>,
) -> Result<(), Error> {
    let deadline = Instant::now() + STARTUP_TIMEOUT;
    let mut is_logged = false;
    loop {
        match work().await {
            Ok(()) => return Ok(()),
            Err(MigrationError::Unreachable(cause) | MigrationError::NotWritable(cause))
                if Instant::now() < deadline =>
            {
                if !is_logged {
                    tracing::warn!(
                        component = "database",
                        database = %config.url,
                        cause,
                        "waiting for the database: nothing is served until it can be used"
                    );
                    is_logged = true;
                }
                sleep(STARTUP_RETRY_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// An error of opening connections, by its cause.
fn unreachable(error: domain::Error) -> MigrationError {
    if let domain::Error::Unavailable {
        source: Some(cause),
        ..
    } = error
    {
        return MigrationError::Unreachable(cause);
    }
    MigrationError::Unreachable(error.into())
}

/// The address of the database, with its password: for opening, not for showing.
pub(super) fn location(url: &DatabaseUrl) -> Location<'_> {
    match url {
        DatabaseUrl::Sqlite(file) => Location::Sqlite(file),
        DatabaseUrl::Postgres(url) => Location::Postgres(url.expose_secret()),
    }
}

/// The pool settings of the configuration; its other settings keep their defaults.
pub(super) fn pool_settings(config: &DatabaseConfig) -> PoolSettings {
    PoolSettings {
        min_connections: config.pool_min,
        max_connections: config.pool_max,
        acquire_timeout: config.acquire_timeout,
        statement_timeout: config.statement_timeout,
        ..PoolSettings::default()
    }
}
