//! Rounds: each has servers of its own, and ends when its budget is spent.
use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    callers::{Heard, caller},
    fault::Fault,
    fleet::Fleet,
    harm, judge,
    judge::Verdict,
};

/// What the fleet may spend, in millionths of a US dollar.
pub const BUDGET: u64 = 5_000;
const CALLERS: u64 = 24;
/// How often a line tells how it goes.
const TELL: Duration = Duration::from_secs(5);
/// When nothing was sold for so long, nothing is left: no harm lasts as long, and whoever waits for money gives up before.
const SILENCE: Duration = Duration::from_secs(15);
/// Without harm what is left is spent by then.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long things are broken in a round with a deliberate fault.
const FAULT_SHOWS: Duration = Duration::from_secs(20);

/// Breaks things for so long, in rounds: one ends when its budget is spent. True when nothing was found.
pub async fn check(length: Duration, seed: u64) -> bool {
    let (mut harmed, mut verdicts) = (Duration::ZERO, Vec::new());
    while harmed < length {
        let number = verdicts.len() + 1;
        let round = Round {
            number,
            seed: seed * 1_000 + 100 * number as u64,
            longest: length.saturating_sub(harmed),
            fault: None,
        };
        let (verdict, took) = round.run().await;
        harmed += took;
        verdicts.push(verdict);
    }
    judge::print(&verdicts, harmed, seed)
}

struct Round {
    number: usize,
    seed: u64,
    longest: Duration,
    fault: Option<Fault>,
}

/// Runs a round with each deliberate fault; true when each was caught.
pub async fn all_caught(seed: u64) -> bool {
    let mut verdicts = Vec::new();
    for (number, fault) in (1..).zip(Fault::ALL) {
        let round = Round {
            number,
            seed,
            longest: FAULT_SHOWS,
            fault: Some(fault),
        };
        let (verdict, _) = round.run().await;
        judge::print_control(&format!("{fault:?}"), &verdict);
        verdicts.push(verdict);
    }
    !verdicts.iter().any(Verdict::is_clean)
}

impl Round {
    /// Gives how long things were broken, too.
    async fn run(&self) -> (Verdict, Duration) {
        let fleet = Arc::new(Fleet::start(self.fault).await);
        let (heard, harm, calls) = (
            Arc::<Heard>::default(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (fleet, heard, stop) = (Arc::clone(&fleet), Arc::clone(&heard), calls.clone());
            let seed = self.seed + number;
            callers.spawn(async move { caller(&fleet, &heard, seed, &stop).await });
        }
        let mut lanes = JoinSet::new();
        {
            let (fleet, stop, seed) = (Arc::clone(&fleet), harm.clone(), self.seed + 50);
            lanes.spawn(async move { harm::of_redis(&fleet, seed, &stop).await });
        }
        {
            let (fleet, stop, seed) = (Arc::clone(&fleet), harm.clone(), self.seed + 51);
            lanes.spawn(async move { harm::of_replicas(&fleet, seed, &stop).await });
        }
        if let Some(fault) = self.fault {
            let (fleet, stop) = (Arc::clone(&fleet), calls.clone());
            callers.spawn(async move { fault.of_redis(&fleet, &stop).await });
        }
        let began = Instant::now();
        self.tell_until_spent(&fleet, &heard, self.longest).await;
        harm.cancel();
        lanes.join_all().await;
        let harmed = began.elapsed();
        self.tell_until_spent(&fleet, &heard, PATIENCE).await;
        calls.cancel();
        callers.join_all().await;
        (judge::judge(&fleet, &heard).await, harmed)
    }

    async fn tell_until_spent(&self, fleet: &Fleet, heard: &Heard, longest: Duration) {
        let began = Instant::now();
        let mut told = began;
        let is_far_beyond = || fleet.provider.sold() > BUDGET + BUDGET / 5;
        while began.elapsed() < longest
            && !is_far_beyond()
            && fleet.provider.silent_for().min(began.elapsed()) < SILENCE
        {
            sleep(Duration::from_millis(100)).await;
            if told.elapsed() >= TELL {
                told = Instant::now();
                println!(
                    "round {} {:4.0} s  sold {:5} of {BUDGET}, {:3} under way; {heard}; {}",
                    self.number,
                    began.elapsed().as_secs_f64(),
                    fleet.provider.sold(),
                    fleet.provider.open(None),
                    fleet.broken()
                );
            }
        }
    }
}
