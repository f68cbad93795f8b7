use std::time::{Duration, Instant};

use challenges_catalog::pb::catalog::v1::{Difficulty, ListChallengesResponse};

use crate::{
    standbys::fixtures::settings,
    support::{
        fleet::list,
        postgres::{self, Database, Logical},
        program,
        replica::Replica,
        wait::eventually,
    },
};

/// How long a replica may take to show what it must.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The history, and what is on its way into it.
pub const HISTORY: &str = "(
    SELECT r.id, r.operation, r.title FROM challenges_catalog.challenge_revisions AS r
    UNION ALL
    SELECT c.id, c.operation, c.title FROM challenges_catalog.changed_challenges AS c
) AS history";

/// A publisher and a subscriber with the catalog's schema, and no challenges yet.
pub async fn both_migrated() -> Logical {
    let servers = postgres::publisher_and_subscriber().await;
    for database in [&servers.publisher, &servers.subscriber] {
        program::run_well(&["migrate", "up"], &[("DATABASE_URL", database.url())]).await;
    }
    servers
}

/// A replica of `database`.
pub async fn serve(database: &Database) -> Replica {
    Replica::start(&settings(database.url())).await
}

/// The beginners' list.
pub async fn beginners(replica: &Replica) -> ListChallengesResponse {
    list(replica, Difficulty::Beginner, 5).await.unwrap()
}

/// Waits until the list is called fresh and `is_new`, which is so in the database since `there`. No answer
/// before that may vouch for a later moment than that.
pub async fn shows(
    replica: &Replica,
    there: Instant,
    what: &str,
    is_new: impl Fn(&ListChallengesResponse) -> bool,
) {
    eventually(what, PATIENCE, async || {
        let asked = Instant::now();
        let answer = beginners(replica).await;
        let freshness = answer.freshness.as_ref().unwrap();
        let is_fresh = !freshness.stale;
        let bound: Duration = freshness.staleness_bound.unwrap().try_into().unwrap();
        let is_new = is_new(&answer);
        assert!(
            is_new || !is_fresh || bound >= asked.saturating_duration_since(there),
            "{what}: an old answer vouches for the time since: {freshness:?}"
        );
        is_new && is_fresh
    })
    .await;
}
