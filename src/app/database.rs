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
/// is made and seeded where it is missing. `max_staleness` is how long answers are fresh after a poll.
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
        datastore.renew_login_by(Arc::new(move || match DatabaseUrl::read(&file) {
            Ok(DatabaseUrl::Postgres(urls)) => Some(urls.expose_secret().to_owned()),
            Ok(DatabaseUrl::Sqlite(_)) => None,
            Err(problem) => {
                tracing::warn!(
                    component = "database",
                    problem,
                    "DATABASE_URL_FILE: the log-in stays as it was"
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
    patiently(config, check).await?;
    if let DatabaseUrl::Sqlite(file) = &config.url {
        let first = ListQuery::first(None, PageSize::DEFAULT);
        // A busy machine opens even a file late.
        let look = async || datastore.list(&first).await.map(drop).map_err(no_pool);
        patiently(config, look).await?;
        if datastore.list(&first).await?.value.total_count == 0 {
            let added = seed::load(datastore.as_ref(), seed::EMBEDDED).await?.added;
            tracing::info!(file = %file.display(), added, "seeded a new catalog");
        }
    }
    patiently(config, async || datastore.fill().await.map_err(no_pool)).await?;
    Ok(datastore)
}

/// Does `work` again while the database cannot be reached, for as long as it may be starting.
async fn patiently(
    config: &DatabaseConfig,
    work: impl AsyncFn() -> Result<(), MigrationError>,
) -> Result<(), Error> {
    let gives_up = Instant::now() + STARTUP_PATIENCE;
    let mut told = false;
    loop {
        match work().await {
            Ok(()) => return Ok(()),
            Err(MigrationError::Unreachable(cause) | MigrationError::NotWritable(cause))
                if Instant::now() < gives_up =>
            {
                if !told {
                    tracing::warn!(
                        component = "database",
                        database = %config.url,
                        cause,
                        "waiting for the database: nothing is served until it can be used"
                    );
                    told = true;
                }
                sleep(STARTUP_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What kept connections from being opened, by its cause.
fn no_pool(error: crate::domain::Error) -> MigrationError {
    let crate::domain::Error::Unavailable {
        source: Some(cause),
        ..
    } = error
    else {
        return MigrationError::Unreachable(error.into());
    };
    MigrationError::Unreachable(cause)
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
