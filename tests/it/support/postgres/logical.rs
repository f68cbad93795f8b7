//! Logical replication: rows of one server's tables written into another's by an apply worker.
use std::time::Duration;

use super::{Database, Postgres, server::own_server_with};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const NAME: &str = "replicated";

/// Two servers and a database on each; nothing is replicated until [`Logical::replicate`].
pub struct Logical {
    /// Where the rows come from.
    pub publisher: Database,
    /// Where the apply worker writes them.
    pub subscriber: Database,
    // Behind the databases, which are dropped first.
    _servers: [Postgres; 2],
}

/// A server that publishes and one that subscribes, with an empty database each.
pub async fn publisher_and_subscriber() -> Logical {
    let servers = [
        own_server_with(&["wal_level=logical"]),
        own_server_with(&[]),
    ];
    Logical {
        publisher: servers[0].fresh().await,
        subscriber: servers[1].fresh().await,
        _servers: servers,
    }
}

impl Logical {
    /// Replicates `tables` as `CREATE PUBLICATION` names them, such as `TABLE public.thing`; they must
    /// be in both databases. Returns when what is there was copied.
    pub async fn replicate(&self, tables: &str) {
        self.subscribe(tables).await;
        let copying = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
        eventually("all tables are copied", PATIENCE, async || {
            self.subscriber.query_i64(copying).await == 0
        })
        .await;
    }

    /// As [`Logical::replicate`], and waits for nothing.
    pub async fn subscribe(&self, tables: &str) {
        let publish = format!("CREATE PUBLICATION {NAME} FOR {tables}");
        self.publisher.execute(&publish).await;
        let subscribe = format!(
            "CREATE SUBSCRIPTION {NAME} CONNECTION 'host=127.0.0.1 port={} user=postgres dbname={}' PUBLICATION {NAME}",
            self.publisher.port(),
            self.publisher.name(),
        );
        self.subscriber.execute(&subscribe).await;
    }

    /// Ends what [`Logical::subscribe`] began, at both ends.
    pub async fn unsubscribe(&self) {
        self.subscriber
            .execute(&format!("DROP SUBSCRIPTION {NAME}"))
            .await;
        self.publisher
            .execute(&format!("DROP PUBLICATION {NAME}"))
            .await;
    }

    /// Waits until the subscriber has all that the publisher committed so far.
    pub async fn catch_up(&self) {
        let written = self
            .publisher
            .query_text("SELECT pg_current_wal_flush_lsn()")
            .await;
        let behind = format!(
            "SELECT count(*) FROM pg_stat_replication
            WHERE application_name = '{NAME}' AND replay_lsn >= '{written}'"
        );
        eventually("the subscriber has caught up", PATIENCE, async || {
            self.publisher.query_i64(&behind).await == 1
        })
        .await;
    }
}
