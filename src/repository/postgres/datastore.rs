//! The PostgreSQL store as a [`Datastore`].
use async_trait::async_trait;
use sqlx::Connection;

use super::{PostgresStore, connect::connect_to_one, listener, migrate};
use crate::{
    domain::{DatabaseProbe, Error, PoolState},
    repository::{AddressSource, Datastore, MigrationError, row},
};

#[async_trait]
impl Datastore for PostgresStore {
    async fn check(&self) -> Result<(), MigrationError> {
        // Not from the pool, which retries until its time is over, and loses the cause.
        let (index, mut connection) = connect_to_one(self.servers.list()).await?;
        self.servers.confirm(index);
        let checked = migrate::check(&mut connection).await;
        connection.close().await.ok();
        checked
    }

    fn set_address_source(&self, source: AddressSource) {
        self.servers.set_source(source);
    }

    async fn fill_pools(&self) -> Result<(), Error> {
        // The connection for polls first: reads have to do with those that the server grants beyond it.
        let filling = async {
            self.feed.fill().await?;
            self.pool.fill().await
        };
        filling.await.map_err(Error::datastore)
    }

    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error> {
        let read = || sqlx::query_as("SELECT pg_notification_queue_usage()");
        let context = "reading the usage of the notification queue";
        let rows: Vec<(f64,)> = self.fetch(&self.feed, context, read).await?;
        Ok(rows.first().map(|(usage,)| *usage))
    }

    async fn page_token_key(&self) -> Result<[u8; 32], Error> {
        let context = "reading the key of page tokens";
        let read = || sqlx::query_as("SELECT page_token_key FROM challenges_catalog.state");
        row::page_token_key(self.fetch(&self.pool, context, read).await?)
    }

    async fn listen(&self) {
        listener::listen(&self.servers, &self.notifications).await;
    }

    async fn close(&self) {
        futures_util::join!(self.pool.close(), self.feed.close(), self.editing.close());
    }
}

impl DatabaseProbe for PostgresStore {
    fn pool(&self) -> PoolState {
        let open = self.pool.open();
        PoolState {
            open,
            idle: self.pool.idle().min(open),
            max: self.pool.settings().max_connections,
        }
    }
}
