use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{ListQuery, PageSize},
    pb::catalog::v1::Difficulty,
    repository::{self, Datastore, Location, PoolSettings},
};

use crate::support::{
    fleet::{self, list, titles},
    postgres::{self, Database, Postgres},
    proxy::Proxy,
    replica::Replica,
    wait::eventually,
};

/// How long a replica may take to be right again: far below what TCP takes to give a link up.
pub const SOON: Duration = Duration::from_secs(8);

/// A replica that reaches its database by way of a proxy alone.
pub struct Scene {
    pub replica: Replica,
    pub proxy: Proxy,
    pub database: Database,
    pub server: Postgres,
    pub soon: Duration,
}

impl Scene {
    /// Serving, with some connections of each kind open.
    pub async fn start() -> Self {
        let server = postgres::own_server();
        let database = server.fresh().await;
        fleet::migrate(&database).await;
        let proxy = Proxy::to(server.port()).await;
        let settings = [
            ("DATABASE_URL", database.url_via(proxy.port())),
            ("CATALOG_LOG", "info".to_owned()),
        ];
        let replica = Replica::start(&settings).await;
        Self {
            replica,
            proxy,
            database,
            server,
            soon: SOON,
        }
    }

    /// Commits a title behind the replica's back, and waits until it is shown as fresh.
    pub async fn shows_a_commit(&self, title: &str) {
        let update = format!(
            "UPDATE approach_challenges SET title = '{title}' WHERE id = (
                SELECT id FROM approach_challenges WHERE difficulty = 'beginner' ORDER BY id LIMIT 1
            )"
        );
        self.database.execute(&update).await;
        let what = format!("{title} is shown, fresh");
        eventually(&what, self.soon, async || {
            let answer = list(&self.replica, Difficulty::Beginner, 20).await;
            answer.is_ok_and(|answer| {
                let is_fresh = answer.freshness.as_ref().is_some_and(|found| !found.stale);
                is_fresh && titles(&answer).contains(&title)
            })
        })
        .await;
    }
}

/// A migrated database, and a role that may do all with it.
pub async fn prepared() -> (Database, String) {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let role = database.create_role("serve").await;
    fleet::grant(&database, &role).await;
    (database, role)
}

pub fn open(url: &str, settings: &PoolSettings) -> Arc<dyn Datastore> {
    repository::open(Location::Postgres(url), settings).unwrap()
}

pub fn everything() -> ListQuery {
    ListQuery::first(None, PageSize::DEFAULT)
}

/// How many sessions the role has.
pub async fn sessions(database: &Database, role: &str) -> i64 {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
    database.query_i64(&count).await
}
