use std::time::Duration;

use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use challenges_catalog::pb::{
    admin::v1::{CacheMode, GetCacheStatusRequest, cache_admin_client::CacheAdminClient},
    catalog::v1::{Difficulty, Freshness},
};
use tonic::transport::Channel;

use crate::support::{
    fleet::{list, titles},
    postgres::Database,
    replica::Replica,
    wait::eventually,
};

/// How long a replica may take to be right again after a server took over.
pub const SOON: Duration = Duration::from_secs(8);

/// The settings of a replica at `url` that says all it has to.
pub fn settings(url: String) -> [(&'static str, String); 2] {
    [("DATABASE_URL", url), ("CATALOG_LOG", "info".to_owned())]
}

/// Gives the first beginner's challenge another title.
pub async fn retitle(database: &Database, title: &str) {
    let update = format!(
        "UPDATE approach_challenges SET title = '{title}' WHERE id = (
            SELECT id FROM approach_challenges WHERE difficulty = 'beginner' ORDER BY id LIMIT 1
        )"
    );
    database.execute(&update).await;
}

/// The titles that a replica shows, and what it says of their age.
pub async fn look(replica: &Replica) -> (Vec<String>, Freshness) {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    let titles = titles(&answer).into_iter().map(str::to_owned).collect();
    (titles, answer.freshness.unwrap())
}

/// Waits until answers are called fresh, and have `title`.
pub async fn shows_fresh(replica: &Replica, title: &str) {
    eventually(&format!("{title} is shown, fresh"), SOON, async || {
        let (titles, freshness) = look(replica).await;
        !freshness.stale && titles.iter().any(|shown| shown == title)
    })
    .await;
}

/// Waits until answers are marked.
pub async fn turns_stale(replica: &Replica) {
    eventually("answers are marked", SOON, async || {
        look(replica).await.1.stale
    })
    .await;
}

async fn channel(replica: &Replica) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    endpoint.connect().await.unwrap()
}

/// Waits until health says this of the database.
pub async fn health_becomes(replica: &Replica, wanted: ServingStatus) {
    eventually(&format!("health is {wanted:?}"), SOON, async || {
        let request = HealthCheckRequest {
            service: "dependency/postgres".to_owned(),
        };
        let answer = HealthClient::new(channel(replica).await)
            .check(request)
            .await;
        answer.is_ok_and(|answer| answer.get_ref().status() == wanted)
    })
    .await;
}

/// How the replica says it works.
pub async fn mode(replica: &Replica) -> CacheMode {
    let mut admin = CacheAdminClient::new(channel(replica).await);
    let status = admin.get_cache_status(GetCacheStatusRequest::default());
    let status = status.await.unwrap().into_inner();
    status.replicas[0].mode()
}

/// The lines of its log that have this text.
pub fn lines(replica: &Replica, text: &str) -> Vec<String> {
    let log = replica.log();
    let lines = log.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}
