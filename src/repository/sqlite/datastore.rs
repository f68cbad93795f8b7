//! The SQLite store as a [`Datastore`].
use async_trait::async_trait;

use super::{SqliteStore, connect::open_error, migrate};
use crate::{
    domain::{DatabaseProbe, Error, PoolState},
    repository::{AddressSource, Datastore, MigrationError, row},
};

#[async_trait]
impl Datastore for SqliteStore {
    async fn check(&self) -> Result<(), MigrationError> {
        let mut connection = self.pool.acquire().await.map_err(open_error)?;
        migrate::check(&mut connection).await
    }

    fn set_address_source(&self, _: AddressSource) {
        // A file has no login.
    }

    async fn fill_pools(&self) -> Result<(), Error> {
        let max = self.pool.options().get_max_connections();
        let count = self.settings.min_connections.clamp(1, max);
        let open = (0..count).map(|_| self.pool.acquire());
        let all = futures_util::future::try_join_all(open);
        self.within("opening connections", all).await?;
        Ok(())
    }

    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error> {
        Ok(None)
    }

    async fn page_token_key(&self) -> Result<[u8; 32], Error> {
        let context = "reading the key of page tokens";
        let read = sqlx::query_as("SELECT page_token_key FROM catalog_state");
        row::page_token_key(self.fetch(&self.pool, context, read).await?)
    }

    async fn listen(&self) {
        // The writes of this process notify the feed themselves, and no other notifications exist.
        std::future::pending::<()>().await;
    }

    async fn close(&self) {
        futures_util::join!(self.pool.close(), self.feed.close());
    }
}

impl DatabaseProbe for SqliteStore {
    fn pool(&self) -> PoolState {
        let open = self.pool.size();
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        PoolState {
            open,
            idle: idle.min(open),
            max: self.pool.options().get_max_connections(),
        }
    }
}
