//! Several replicas on one PostgreSQL and one Redis.
use challenges_catalog::pb::catalog::v1 as pb;
use tonic::Status;

use super::{
    postgres::{self, Database},
    program,
    redis::{self, Redis},
    replica::Replica,
};

/// Replicas that share a database and a Redis of their own.
pub struct Fleet {
    pub replicas: Vec<Replica>,
    pub database: Database,
    pub redis: Redis,
}

impl Fleet {
    /// `count` replicas, serving the seeded catalog as the database's superuser.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, &[]).await
    }

    /// As [`Fleet::start`], with settings beside the usual ones.
    pub async fn start_with(count: usize, settings: &[(&'static str, &str)]) -> Self {
        let database = postgres::fresh().await;
        let url = database.url();
        Self::serve(database, &url, count, settings).await
    }

    /// One replica, connected as the role that `migrations/grants.sql` describes.
    pub async fn start_with_least_rights() -> Self {
        let database = postgres::fresh().await;
        let role = database.create_role("serve").await;
        migrate(&database).await;
        grant(&database, &role).await;
        let url = database.url_as(&role);
        Self::serve(database, &url, 1, &[]).await
    }

    async fn serve(
        database: Database,
        url: &str,
        count: usize,
        settings: &[(&'static str, &str)],
    ) -> Self {
        migrate(&database).await;
        let each = vec![settings.to_vec(); count];
        Self::serve_each(database, url, &each).await
    }

    /// One replica for each of `settings`, which they have beside the usual ones.
    pub async fn start_each(settings: &[Vec<(&'static str, &str)>]) -> Self {
        let database = postgres::fresh().await;
        let url = database.url();
        migrate(&database).await;
        Self::serve_each(database, &url, settings).await
    }

    async fn serve_each(
        database: Database,
        url: &str,
        settings: &[Vec<(&'static str, &str)>],
    ) -> Self {
        let redis = redis::start();
        let usual = [
            ("DATABASE_URL", url.to_owned()),
            ("REDIS_URL", redis.url()),
            ("CATALOG_LOG", "info,challenges_catalog=debug".to_owned()),
            ("CATALOG_DB_POOL_MIN", "2".to_owned()),
            // Its statements would be counted as those of calls.
            ("CATALOG_AUDIT_INTERVAL", "0".to_owned()),
        ];
        let replicas = settings.iter().map(async |settings| {
            let own = settings.iter();
            let own = own.map(|(name, value)| (*name, (*value).to_owned()));
            let environment: Vec<_> = usual.iter().cloned().chain(own).collect();
            Replica::start(&environment).await
        });
        let replicas = futures_util::future::join_all(replicas).await;
        Self {
            replicas,
            database,
            redis,
        }
    }
}

/// Migrates and seeds, with the program's own commands.
pub async fn migrate(database: &Database) {
    migrate_at(database.url()).await;
}

/// As [`migrate`], as the role of this address.
pub async fn migrate_at(url: String) {
    let environment = [("DATABASE_URL", url)];
    program::run_well(&["migrate", "up"], &environment).await;
    program::run_well(&["seed"], &environment).await;
}

/// Gives `role` the rights of `migrations/grants.sql`.
pub async fn grant(database: &Database, role: &str) {
    let grants = include_str!("../../../migrations/grants.sql").replace(":\"role\"", role);
    let statements: Vec<_> = grants
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .collect();
    database.execute(&statements.join("\n")).await;
}

/// Lists `difficulty` at one replica.
pub async fn list(
    replica: &Replica,
    difficulty: pb::Difficulty,
    page_size: i32,
) -> Result<pb::ListChallengesResponse, Status> {
    let request = pb::ListChallengesRequest {
        difficulty: difficulty.into(),
        page_size,
        ..Default::default()
    };
    let response = replica.client().await.list_challenges(request).await;
    response.map(tonic::Response::into_inner)
}

/// The titles of a list.
pub fn titles(list: &pb::ListChallengesResponse) -> Vec<&str> {
    list.challenges
        .iter()
        .map(|challenge| challenge.title.as_str())
        .collect()
}
