//! Breaks Redis and replicas, in an order that the seed decides.
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{task::block_in_place, time::sleep};
use tokio_util::sync::CancellationToken;

use super::fleet::{Fleet, REPLICAS};
use crate::support::proxy::Mode;

/// Answers come after everybody gave up on them.
const LATE: Duration = Duration::from_millis(350);

#[derive(Clone, Copy)]
enum Harm {
    Late,
    Silent,
    Emptied,
    Restarted,
}

/// Harms Redis and heals it, until `stop`.
pub async fn of_redis(fleet: &Fleet, seed: u64, stop: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    while rest(&mut rng, 500..3_000, stop).await {
        let length = Duration::from_millis(rng.random_range(300..3_000));
        // Late is what the rest begins with.
        match [
            Harm::Late,
            Harm::Late,
            Harm::Silent,
            Harm::Emptied,
            Harm::Restarted,
        ][rng.random_range(0..5)]
        {
            Harm::Late => carry(fleet, "350 ms late", Mode::Delay(LATE), length * 2).await,
            Harm::Silent => carry(fleet, "silent", Mode::Blackhole, length).await,
            Harm::Emptied => {
                fleet.note_redis(Some("killed, to come back empty"));
                block_in_place(|| fleet.redis.kill());
                sleep(length).await;
                block_in_place(|| fleet.redis.restart_empty());
            }
            Harm::Restarted => {
                fleet.note_redis(Some("killed, to come back with its data"));
                let dump = block_in_place(|| {
                    let dump = fleet.redis.save_dump();
                    fleet.redis.kill();
                    dump
                });
                sleep(length).await;
                block_in_place(|| fleet.redis.restart_with(&dump));
            }
        }
        fleet.note_redis(None);
    }
}

async fn carry(fleet: &Fleet, what: &'static str, mode: Mode, length: Duration) {
    fleet.note_redis(Some(what));
    fleet.proxy.lock().await.set(mode).await;
    sleep(length).await;
    fleet.proxy.lock().await.set(Mode::Pass).await;
}

/// Ends replicas and starts others in their place, until `stop`.
pub async fn of_replicas(fleet: &Fleet, seed: u64, stop: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    while rest(&mut rng, 2_000..7_000, stop).await {
        let slot = rng.random_range(0..REPLICAS);
        let signal = if rng.random() { "KILL" } else { "TERM" };
        fleet.end(slot, signal).await;
        sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        fleet.fill(slot).await;
    }
}

/// False when it is over.
async fn rest(rng: &mut StdRng, millis: std::ops::Range<u64>, stop: &CancellationToken) -> bool {
    let pause = sleep(Duration::from_millis(rng.random_range(millis)));
    stop.run_until_cancelled(pause).await.is_some()
}
