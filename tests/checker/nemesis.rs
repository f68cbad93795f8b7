//! Breaks things, in an order that the seed decides, and says when.
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{task::block_in_place, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    history::{History, Micros, Trouble},
    readers::{Question, ask},
    servers::{Servers, Slot},
    support::proxy::Mode,
    writers::run,
};

/// One kind of harm; `docs/consistency.md` says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    RedisEmptied,
    RedisFromOldDump,
    RedisPaused,
    RedisFrozen,
    RedisFlushed,
    SlowFills,
    ListenersEnded,
    Blackhole,
    PostgresRestart,
    NumberingHeld,
    NumberersEnded,
    StandbyInstead,
    Promotion,
    TwoPromotions,
    SwitchBack,
    Stop,
    StopCutOff,
    StopAndPrune,
    Kill,
}

impl Harm {
    /// What leaves the database in reach; runs beside [`Harm::DATABASE`].
    pub const REDIS: [Self; 6] = [
        Self::RedisEmptied,
        Self::RedisFromOldDump,
        Self::RedisPaused,
        Self::RedisFrozen,
        Self::RedisFlushed,
        Self::SlowFills,
    ];
    /// What happens to the database, the way to it, and the replicas.
    pub const DATABASE: [Self; 13] = [
        Self::ListenersEnded,
        Self::Blackhole,
        Self::PostgresRestart,
        Self::NumberingHeld,
        Self::NumberersEnded,
        Self::StandbyInstead,
        Self::Promotion,
        Self::TwoPromotions,
        Self::SwitchBack,
        Self::Stop,
        Self::StopCutOff,
        Self::StopAndPrune,
        Self::Kill,
    ];
}

/// How long after the harm its last consequence may show in a call.
pub const AFTERMATH: Micros = 3_000_000;
/// By then every replica in reach of the database has polled and read anew.
pub const RESYNCED: Micros = 1_500_000;
/// How long a replica that woke finds its database out of reach.
const CUT_OFF_AWAKE: Duration = Duration::from_millis(500);
/// So long may a replica that woke be busy with what it had under way.
const WAKING: Micros = 1_000_000;

/// Does all of `harms`, again and again in another order, until `stop`. Heals what it harmed.
pub async fn nemesis(
    servers: &Servers,
    history: &History,
    (harms, seed, long): (&[Harm], u64, bool),
    held: &tokio::sync::RwLock<()>,
    stop: &CancellationToken,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut round = Vec::new();
    while !stop.is_cancelled() && !harms.is_empty() {
        if round.is_empty() {
            round = harms.to_vec();
            round.shuffle(&mut rng);
        }
        let rest = Duration::from_millis(rng.random_range(200..1_000));
        tokio::select! {
            () = sleep(rest) => {}
            () = stop.cancelled() => return,
        }
        let _turn = held.read().await;
        let harm = round.pop().unwrap();
        let began = history.now();
        let what = Inflict {
            servers,
            history,
            long,
        };
        let target = what.inflict(harm, &mut rng).await;
        let seconds = |at: Micros| std::time::Duration::from_micros(at).as_secs_f64();
        println!(
            "{:8.3} .. {:7.3} s  {harm:?} {target}",
            seconds(began),
            seconds(history.now())
        );
    }
}

pub struct Inflict<'a> {
    pub servers: &'a Servers,
    pub history: &'a History,
    /// Whether there is time for the longest stops.
    long: bool,
}

impl Inflict<'_> {
    async fn inflict(&self, harm: Harm, rng: &mut StdRng) -> String {
        let pause = Duration::from_millis(rng.random_range(300..2_000));
        let slot = &self.servers.slots[rng.random_range(0..self.servers.slots.len())];
        let redis = &self.servers.redis;
        match harm {
            Harm::RedisEmptied => {
                block_in_place(|| redis.kill());
                sleep(pause).await;
                block_in_place(|| redis.restart_empty());
            }
            Harm::RedisFromOldDump => {
                let dump = block_in_place(|| redis.save_dump());
                sleep(pause + Duration::from_millis(2_200)).await;
                block_in_place(|| redis.restart_with(&dump));
            }
            Harm::RedisPaused => {
                block_in_place(|| redis.pause_clients(pause));
                sleep(pause).await;
            }
            Harm::RedisFrozen => {
                block_in_place(|| redis.freeze());
                sleep(pause).await;
                block_in_place(|| redis.thaw());
            }
            Harm::RedisFlushed => block_in_place(|| redis.flush()),
            Harm::SlowFills => self.slow_fills(pause * 2).await,
            Harm::ListenersEnded => {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'";
                self.try_execute(end).await;
            }
            Harm::Blackhole => {
                let length = Duration::from_millis(rng.random_range(500..5_000));
                self.blackhole(slot, length).await;
                return format!("replica {} for {length:?}", slot.index);
            }
            Harm::PostgresRestart => self.restart_postgres(pause).await,
            Harm::NumberingHeld => self.hold_numbering(pause).await,
            Harm::NumberersEnded => self.end_numberers(pause, rng).await,
            Harm::StandbyInstead => return self.lead_to_standby(pause * 2, rng).await,
            Harm::Promotion => return self.promotion(rng).await,
            Harm::TwoPromotions => return self.two_promotions(rng).await,
            Harm::SwitchBack => return self.switch_back(pause, rng).await,
            Harm::Stop => {
                let longest = if self.long { 10_000 } else { 4_000 };
                let length = Duration::from_millis(rng.random_range(500..longest));
                self.stop(slot, length, rng).await;
                return format!("replica {} for {length:?}", slot.index);
            }
            Harm::StopCutOff => return self.stop_cut_off(slot, rng).await,
            Harm::StopAndPrune => {
                self.stop_and_prune(slot, rng).await;
                return format!("replica {}", slot.index);
            }
            Harm::Kill => {
                self.kill(slot, pause).await;
                return format!("replica {}", slot.index);
            }
        }
        String::new()
    }

    /// Statements of the replicas take their snapshot, and then their time.
    async fn slow_fills(&self, length: Duration) {
        let pace = |seconds: &str| format!("UPDATE checker.pace SET seconds = {seconds}");
        // The database may be away: another round will do.
        let window = self.history.open_window(Trouble::Fills);
        self.try_execute(&pace("0.3")).await;
        sleep(length).await;
        while !self.try_execute(&pace("0")).await {
            sleep(Duration::from_millis(50)).await;
        }
        self.history.close_window(&window, AFTERMATH);
    }

    pub(super) async fn try_execute(&self, statement: &str) -> bool {
        let Ok(mut db) = self.servers.cluster.try_connect().await else {
            return false;
        };
        run(&mut db, statement).await.is_ok()
    }

    async fn blackhole(&self, slot: &Slot, length: Duration) {
        let window = self.history.open_window(Trouble::Database(slot.index));
        let host = self.servers.cluster.primary().host;
        // The standby stays in reach.
        let mut proxies = slot.proxies.lock().await;
        proxies[host].set(Mode::Blackhole).await;
        sleep(length).await;
        proxies[host].set(Mode::Pass).await;
        self.history.close_window(&window, AFTERMATH);
    }

    /// Numbers from before a crash may be lost, so no copy from before counts after.
    async fn restart_postgres(&self, pause: Duration) {
        let trouble = self.nobody_knows();
        let server = self.servers.cluster.primary().server;
        self.servers.cluster.crash().await;
        sleep(pause).await;
        block_in_place(|| server.restart());
        self.all_know(&trouble);
    }

    /// Stops a replica, while callers go on to call it: what it says on waking is what matters.
    async fn stop(&self, slot: &Slot, length: Duration, rng: &mut StdRng) {
        let window = self.history.open_window(Trouble::Replica(slot.index));
        block_in_place(|| slot.pause());
        let calls = length.as_millis() / 40;
        let questions: Vec<_> = (0..calls)
            .map(|_| Question::random(rng, self.history))
            .collect();
        let call = async |(number, question): (u32, Question)| {
            sleep(Duration::from_millis(40) * number).await;
            ask(slot, self.history, question).await;
        };
        let late = (0..).zip(questions).map(call);
        let wake = async {
            sleep(length).await;
            let waking = self.history.open_window(Trouble::Waking(slot.index));
            block_in_place(|| slot.resume());
            self.history.close_window(&window, 0);
            self.history.close_window(&waking, WAKING);
        };
        tokio::join!(futures_util::future::join_all(late), wake);
    }

    /// A replica that wakes and cannot ask what it missed.
    async fn stop_cut_off(&self, slot: &Slot, rng: &mut StdRng) -> String {
        let length = Duration::from_millis(rng.random_range(2_500..4_000));
        let cut_off = self.blackhole(slot, length + CUT_OFF_AWAKE);
        tokio::join!(cut_off, self.stop(slot, length, rng));
        format!("replica {} for {length:?}", slot.index)
    }

    /// A replica that wakes to find that the changes it missed are no longer listed.
    async fn stop_and_prune(&self, slot: &Slot, rng: &mut StdRng) {
        let window = self.history.open_window(Trouble::Forgot(slot.index));
        let prune = async {
            sleep(Duration::from_millis(700)).await;
            // The others may miss the commits of the moment.
            let others = self.servers.slots.iter();
            let others: Vec<_> = others
                .map(|other| self.history.open_window(Trouble::Forgot(other.index)))
                .collect();
            self.try_execute("SELECT challenges_catalog.prune(interval '0')")
                .await;
            for other in &others {
                self.history.close_window(other, RESYNCED);
            }
        };
        tokio::join!(self.stop(slot, Duration::from_millis(1_200), rng), prune);
        self.history.close_window(&window, AFTERMATH);
    }

    async fn kill(&self, slot: &Slot, pause: Duration) {
        let window = self.history.open_window(Trouble::Replica(slot.index));
        slot.kill().await;
        sleep(pause).await;
        self.servers.start_replica(slot).await;
        self.history.close_window(&window, 0);
    }
}
