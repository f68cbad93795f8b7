//! Changes whose answer is lost between the database and the service.
use std::time::Duration;

use challenges_catalog::pb::admin::v1::{
    ResetFeatureFlagRequest, UpdateFeatureFlagRequest, UpdateRuntimeSettingRequest, ValueSource,
};
use sqlx::PgConnection;
use tonic::Request;

use super::{
    client::{self, flags, get, set_flag, switch},
    settings::{self, set},
};
use crate::support::{
    fleet::migrate,
    postgres::{self, Database},
    proxy::Proxy,
    replica::Replica,
    wait::eventually,
};

/// Whoever holds this advisory lock stops commits of the table that waits for it.
const GATE: i64 = 7;

/// A connection to the database that a test can cut.
struct DatabaseConnection {
    database: Database,
    proxy: Proxy,
    lock_holder: PgConnection,
}

async fn replica() -> (Replica, DatabaseConnection) {
    let database = postgres::fresh().await;
    migrate(&database).await;
    let proxy = Proxy::to(database.port()).await;
    let environment = [("DATABASE_URL", database.url_via(proxy.port()))];
    let replica = Replica::start(&environment).await;
    for table in ["feature_flags", "challenges_catalog.runtime_settings"] {
        database.commits_wait_for(GATE, table).await;
    }
    let lock_holder = database.connect().await;
    let connection = DatabaseConnection {
        database,
        proxy,
        lock_holder,
    };
    (replica, connection)
}

impl DatabaseConnection {
    /// What comes of a call whose connection is cut while it commits, when the commit is made.
    async fn cut_under<T>(&mut self, call: impl Future<Output = T>) -> T {
        let hold = sqlx::query("SELECT pg_advisory_lock($1)").bind(GATE);
        hold.execute(&mut self.lock_holder).await.unwrap();
        let losing = async {
            all_wait(&self.database, 1).await;
            self.proxy.cut();
            // The service asks again, and that waits for the first commit.
            all_wait(&self.database, 2).await;
            let release = sqlx::query("SELECT pg_advisory_unlock($1)").bind(GATE);
            release.execute(&mut self.lock_holder).await.unwrap();
        };
        tokio::join!(call, losing).0
    }
}

async fn all_wait(database: &Database, sessions: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let what = format!("{sessions} wait for a lock");
    eventually(&what, Duration::from_secs(4), async || {
        database.query_i64(waiting).await == sessions
    })
    .await;
}

#[tokio::test]
async fn a_flag_that_was_changed_is_answered_as_changed() {
    let (replica, mut connection) = replica().await;
    set_flag(&replica, "near_cache", true).await;
    let request = UpdateFeatureFlagRequest {
        etag: get(&replica, "near_cache").await.etag,
        ..switch("near_cache", false)
    };
    let changed = connection
        .cut_under(client::update(&replica, request))
        .await;
    let flag = changed.unwrap().flag.unwrap();
    let now = get(&replica, "near_cache").await;
    assert_eq!((now.enabled, now.etag), (false, flag.etag));
}

#[tokio::test]
async fn a_flag_that_was_reset_is_answered_as_reset() {
    let (replica, mut connection) = replica().await;
    set_flag(&replica, "near_cache", false).await;
    let request = ResetFeatureFlagRequest {
        name: "near_cache".to_owned(),
        etag: get(&replica, "near_cache").await.etag,
        environment: None,
    };
    let mut client = flags(&replica).await;
    let reset = connection
        .cut_under(client.reset_feature_flag(request))
        .await;
    let flag = reset.unwrap().into_inner().flag.unwrap();
    assert_eq!((flag.enabled, flag.source()), (true, ValueSource::Default));
}

#[tokio::test]
async fn a_setting_that_was_made_by_somebody_is_answered_as_made() {
    let (replica, mut connection) = replica().await;
    let request = UpdateRuntimeSettingRequest {
        etag: settings::get(&replica, "cache_ttl_ms").await.etag,
        ..set("cache_ttl_ms", 60_000)
    };
    let mut request = Request::new(request);
    let name = "ann".parse().unwrap();
    request.metadata_mut().insert("x-caller-id", name);
    let mut client = client::settings(&replica).await;
    let changed = connection
        .cut_under(client.update_runtime_setting(request))
        .await;
    let setting = changed.unwrap().into_inner().setting.unwrap();
    assert_eq!(
        (setting.value, setting.updated_by.as_str()),
        (60_000, "ann")
    );
}
