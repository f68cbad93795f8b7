//! A large batch, shuffled and faulty, and a replica that dies while it takes it over.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{BatchGenerateTipsRequest, batch_generate_tips_request::Scope},
    catalog::v1::Difficulty,
};
use serde_json::Value;

use super::{
    calling::{begin, begin_when_free, drain_meanwhile, read, read_meanwhile},
    provider::{Batches, COST, Mishap, errored, expired, written},
};
use crate::{
    support::{
        fleet::{Fleet, list},
        scripted::Exchange,
        wait::eventually,
    },
    tips::provider::ordering_at,
};

const PATIENCE: Duration = Duration::from_mins(3);
/// With those that are seeded.
const CHALLENGES: usize = 10_000;
const FILL: &str = "INSERT INTO approach_challenges (difficulty, title, points)
    SELECT (ARRAY['beginner', 'intermediate', 'advanced'])[1 + i % 3], 'Challenge ' || i, i % 50
    FROM generate_series(1, 9982) AS i";

/// One in twenty errs or expires in the first batch; in the second one in ten of those again.
fn fate(batch: usize, number: usize) -> Value {
    match (batch, number % 40, number % 10) {
        (0, 7, _) => errored("api_error"),
        (0, 27, _) | (1, _, 7) => expired(),
        _ => written(batch, number),
    }
}

fn everything() -> BatchGenerateTipsRequest {
    BatchGenerateTipsRequest {
        scope: Some(Scope::All(true)),
        message_batches: true,
        ..Default::default()
    }
}

/// Whoever is there takes a batch over, whether or not anybody calls.
#[tokio::test]
async fn the_batch_of_a_replica_that_is_gone_is_taken_over_by_another_one_though_nobody_calls() {
    let provider = Batches::with(written).await;
    let url = provider.server.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    let told = begin(&fleet.replicas[0], everything()).await.unwrap();
    let submitted =
        "SELECT count(*) FROM challenges_catalog.tip_batches WHERE provider_batch_id IS NOT NULL";
    eventually("it is at the provider", PATIENCE, async || {
        fleet.database.query_i64(submitted).await == 1
    })
    .await;
    fleet.replicas[0].kill().await;
    drop(told);
    // The challenge changes while its tip is being written: that is a tip for other texts then.
    let change = "UPDATE approach_challenges SET title = 'Another'
        WHERE id = '7368dad2-43a3-4359-95c9-2405f700f00e'";
    fleet.database.execute(change).await;
    provider.end();
    let kept = "SELECT count(*) FROM challenges_catalog.challenge_tips";
    eventually("its tips are kept", PATIENCE, async || {
        fleet.database.query_i64(kept).await == 18
    })
    .await;
    let replica = &fleet.replicas[1];
    let shown = async |difficulty| {
        let list = list(replica, difficulty, 20).await.unwrap();
        let tips = list.challenges.iter();
        tips.filter(|it| it.tips().starts_with("Breathe, look up"))
            .count()
    };
    eventually("they are shown, but for one", PATIENCE, async || {
        shown(Difficulty::Beginner).await == 5 && shown(Difficulty::Advanced).await == 6
    })
    .await;
    assert_eq!(provider.sizes(), [18]);
}

/// It cannot be told from one whose answer was lost, except by waiting.
#[tokio::test]
async fn a_batch_that_never_arrived_is_handed_in_again_once_it_cannot_be_under_way() {
    let provider = Batches::with(written).await;
    provider.meet(Mishap::NeverArrived);
    provider.end();
    let url = provider.server.url();
    let fleet = Fleet::start_with(1, &ordering_at(&url)).await;
    let told = begin(&fleet.replicas[0], everything()).await.unwrap();
    let told = read_meanwhile(told);
    let handed_in =
        "SELECT count(*) FROM challenges_catalog.tip_batches WHERE handed_in_at IS NOT NULL";
    eventually("it is handed in", PATIENCE, async || {
        fleet.database.query_i64(handed_in).await == 1
    })
    .await;
    let lists = |exchange: &Exchange| exchange.head.starts_with("GET /v1/messages/batches?");
    eventually("it is looked for", PATIENCE, async || {
        provider.server.exchanges().iter().any(lists)
    })
    .await;
    assert!(provider.sizes().is_empty(), "it may still come");
    let later = "UPDATE challenges_catalog.tip_batches
        SET handed_in_at = handed_in_at - interval '6 minutes'";
    fleet.database.execute(later).await;
    let summary = told.end().await.summary;
    assert_eq!((summary.written, provider.sizes()), (18, vec![18]));
}

/// P21: each tip is stored once, failures are ordered once more, and the costs are right; and
/// P23: the books have what the provider counted.
#[tokio::test]
async fn a_batch_of_ten_thousand_is_taken_over_once_though_a_replica_dies_half_way() {
    let provider = Batches::with(fate).await;
    provider.hold_results_after(CHALLENGES / 2);
    provider.end();
    let url = provider.server.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    fleet.database.execute(FILL).await;
    // In a language that the catalog does not show, so that no list has to be read anew.
    let request = BatchGenerateTipsRequest {
        locale: "de".to_owned(),
        ..everything()
    };
    let told = begin(&fleet.replicas[0], request.clone()).await.unwrap();
    let reading = drain_meanwhile(told);
    let settled =
        "SELECT count(*) FROM challenges_catalog.tip_batch_orders WHERE outcome IS NOT NULL";
    eventually("some are taken over", PATIENCE, async || {
        fleet.database.query_i64(settled).await >= 500
    })
    .await;
    fleet.replicas[0].kill().await;
    reading.end().await;
    // The collector of the other replica goes on by itself; the call only watches.
    provider.server.open(10);
    let next = begin_when_free(&fleet.replicas[1], request).await;
    let summary = read(next).await.summary;

    let failed = CHALLENGES / 20;
    let failed_again = failed / 10;
    assert_eq!(provider.sizes()[..2], [CHALLENGES, failed]);
    let count = |of: &str| format!("SELECT count(*) FROM challenges_catalog.{of}");
    let whole = i64::try_from(CHALLENGES).unwrap();
    let query = async |of: &str| fleet.database.query_i64(&count(of)).await;
    let most = i32::try_from(CHALLENGES / 10 * 9).unwrap();
    assert!(summary.kept > most, "{summary:?}");
    // What was still missing after the repeat was ordered by the second call, and came.
    assert_eq!(query("challenge_tips").await, whole);
    assert_eq!(query("tip_attempts WHERE outcome = 'success'").await, whole);
    let failures = i64::try_from(failed + failed_again).unwrap();
    assert_eq!(
        query("tip_attempts WHERE outcome <> 'success'").await,
        failures
    );
    let cost = "SELECT sum(cost_micro_usd)::bigint FROM challenges_catalog.tip_attempts";
    let paid = fleet.database.query_i64(cost).await;
    assert_eq!(paid, whole * i64::try_from(COST).unwrap());
    let tokens = "SELECT sum(input_tokens)::bigint FROM challenges_catalog.tip_attempts";
    assert_eq!(fleet.database.query_i64(tokens).await, whole * 100);
    assert_eq!(query("tip_attempts WHERE is_estimated").await, 0);
    assert_eq!(query("tip_batches WHERE closed_as = 'imported'").await, 3);
}
