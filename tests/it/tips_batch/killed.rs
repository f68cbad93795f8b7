//! A replica that dies in the middle of a run loses nothing that was written.
use std::time::Duration;

use bb8_redis::redis::cmd;
use challenges_catalog::pb::admin::v1::{BatchGenerateTipsRequest, GenerationEnd};

use super::calling::{all, begin, begin_when_free, drain_meanwhile, generate, read, some};
use crate::{
    support::{fleet::Fleet, wait::eventually},
    tips::{
        provider::{PIECES, gated, ordering_at},
        wire_stream::OTHERS,
    },
};

const SOON: Duration = Duration::from_secs(30);

/// Each tip is stored once and paid once, but for those under way, which died with the replica.
#[tokio::test]
async fn after_a_kill_in_a_live_run_the_next_call_writes_what_is_missing() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    // So many tips are written to their ends; then the gates are shut.
    provider.open(5 * (PIECES.len() + 1));
    let told = begin(&fleet.replicas[0], all()).await.unwrap();
    let mut reading = drain_meanwhile(told);
    let count = "SELECT count(*) FROM challenges_catalog.challenge_tips";
    eventually("some are kept", SOON, async || {
        fleet.database.query_i64(count).await > 0
    })
    .await;
    fleet.replicas[0].kill().await;
    reading.join_next().await;
    // Redis has a tip before the database does, so the last one may stand there alone.
    let written: Vec<String> = fleet.redis.ask(cmd("KEYS").arg("tip:*:done"));
    let kept = i64::try_from(written.len()).unwrap();
    let unsaved = kept - fleet.database.query_i64(count).await;
    let requested = provider.exchanges().len();
    assert!(kept < 18, "it died in the middle");

    provider.open(1_000);
    let next = begin_when_free(&fleet.replicas[1], all()).await;
    let summary = read(next).await.summary;
    assert_eq!(summary.end(), GenerationEnd::Complete);
    assert_eq!(i64::from(summary.kept), kept);
    assert_eq!(i64::from(summary.written), 18 - kept);
    // Readers have a tip before the database does.
    eventually("all are kept", SOON, async || {
        fleet.database.query_i64(count).await == 18
    })
    .await;
    // None that was kept is requested again.
    let missing = usize::try_from(18 - kept).unwrap();
    assert_eq!(provider.exchanges().len(), requested + missing);
    let paid = "SELECT count(*) FROM challenges_catalog.tip_attempts WHERE outcome = 'success'";
    eventually(
        "the ledger has all that the other replica did not take with it",
        SOON,
        async || fleet.database.query_i64(paid).await >= 18 - unsaved,
    )
    .await;
    assert_eq!(generate(&fleet.replicas[1], all()).await.summary.kept, 18);
}

/// The ledger has every attempt as the provider counted it; one that was cut off is a guess,
/// and says so.
#[tokio::test]
async fn the_ledger_has_every_attempt_and_mark_those_that_were_cut_off_as_guesses() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(1, &ordering_at(&url)).await;
    let replica = &fleet.replicas[0];
    provider.open(2 * (PIECES.len() + 1));
    let summary = generate(replica, some(&OTHERS[..2])).await.summary;
    assert_eq!((summary.written, summary.attempts), (2, 2));
    // Who wants a tip anew and goes away wants none.
    let refresh = BatchGenerateTipsRequest {
        refresh: true,
        ..some(&OTHERS[2..])
    };
    let told = begin(replica, refresh).await.unwrap();
    eventually("the provider writes", SOON, async || {
        provider.exchanges().len() == 5
    })
    .await;
    drop(told);
    let count =
        |of: &str| format!("SELECT count(*) FROM challenges_catalog.tip_attempts WHERE {of}");
    let cut_off =
        count("outcome = 'aborted' AND is_estimated AND input_tokens = 9 AND cost_micro_usd >= 9");
    eventually("they are in the ledger", SOON, async || {
        fleet.database.query_i64(&cut_off).await == 3
    })
    .await;
    let whole = count(
        "outcome = 'success' AND NOT is_estimated AND input_tokens = 9 AND output_tokens = 5",
    );
    assert_eq!(fleet.database.query_i64(&whole).await, 2);
    assert_eq!(fleet.database.query_i64(&count("true")).await, 5);
}
