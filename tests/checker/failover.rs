//! Harm by standbys: one that the replicas are led to, and those that take over.
use std::{sync::Arc, time::Duration};

use rand::{Rng, rngs::StdRng};
use tokio::{task::block_in_place, time::sleep};

use crate::{
    cluster::Primary,
    history::{OpenWindow, Trouble},
    nemesis::{AFTERMATH, Inflict, RESYNCED},
    servers::NOWHERE,
    support::postgres::Postgres,
};

/// How long a primary stays frozen after another one took over: replicas leave it for its silence alone.
const SILENCE: Duration = Duration::from_secs(3);

/// How a primary ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// As by a crash: who asks it is refused.
    Killed,
    /// It says nothing any more, and closes no connection.
    Frozen,
}

impl End {
    fn random(rng: &mut StdRng) -> Self {
        if rng.random() {
            Self::Killed
        } else {
            Self::Frozen
        }
    }
}

impl Inflict<'_> {
    /// Both hosts of one replica, or of all, lead to a standby that shows what was a while ago.
    pub async fn lead_to_standby(&self, length: Duration, rng: &mut StdRng) -> String {
        let Some(standby) = self.servers.cluster.standby() else {
            return "there is none".to_owned();
        };
        let primary = self.servers.cluster.primary();
        let only = rng
            .random_bool(0.5)
            .then(|| rng.random_range(0..self.servers.slots.len()));
        let slots = self.servers.slots.iter();
        let led: Vec<_> = slots
            .filter(|slot| only.is_none_or(|only| only == slot.index))
            .collect();
        standby.pause_replay().await;
        // Writers go on.
        sleep(Duration::from_millis(rng.random_range(0..1_000))).await;
        let mut windows = Vec::new();
        for slot in &led {
            windows.push(self.history.open_window(Trouble::Database(slot.index)));
            slot.proxies.lock().await[primary.host].switch_to(standby.port());
        }
        sleep(length).await;
        for slot in &led {
            slot.proxies.lock().await[primary.host].switch_to(primary.server.port());
        }
        standby.resume_replay().await;
        for window in &windows {
            self.history.close_window(window, AFTERMATH);
        }
        format!("{only:?}")
    }

    /// The primary ends, and a standby takes over that had not received the newest commits.
    pub async fn promotion(&self, rng: &mut StdRng) -> String {
        let Some(standby) = self.servers.cluster.standby() else {
            return "there is no standby".to_owned();
        };
        let (lost, end) = (lost_time(rng), End::random(rng));
        self.servers.cluster.cut_off(&standby).await;
        sleep(lost).await;
        self.take_over(standby, end).await;
        self.servers.add_standby().await;
        format!("losing {lost:?}, {end:?}")
    }

    /// Of two standbys of one primary, one takes over, and then the other one from that: it is a
    /// standby of the first primary still, and knows nothing of what the second one did.
    pub async fn two_promotions(&self, rng: &mut StdRng) -> String {
        let Some(first) = self.servers.cluster.standby() else {
            return "there is no standby".to_owned();
        };
        let second = self.servers.cluster.new_standby().await;
        let (lost, ends) = (lost_time(rng), [End::random(rng), End::random(rng)]);
        let host = self.servers.cluster.primary().host;
        self.servers.cluster.cut_off(&first).await;
        sleep(lost / 2).await;
        self.servers.cluster.cut_off(&second).await;
        sleep(lost / 2).await;
        self.take_over(first, ends[0]).await;
        self.servers.lead(host, second.port()).await;
        sleep(Duration::from_millis(rng.random_range(0..2_000))).await;
        self.take_over(second, ends[1]).await;
        self.servers.add_standby().await;
        format!("losing {lost:?}, {ends:?}")
    }

    /// A standby takes over although the primary is well, and after a while the primary is in use again.
    /// Half of the writers stay with it all the time.
    pub async fn switch_back(&self, length: Duration, rng: &mut StdRng) -> String {
        let cluster = &self.servers.cluster;
        let Some(standby) = cluster.standby() else {
            return "there is no standby".to_owned();
        };
        let primary = cluster.primary();
        let known = cluster.history_of(&primary.server).await;
        let lost = lost_time(rng);
        cluster.cut_off(&standby).await;
        sleep(lost).await;
        let trouble = self.nobody_knows();
        self.servers.lead(primary.host, NOWHERE).await;
        self.history.end_term();
        let successor = self.promote(standby, 1 - primary.host).await;
        self.all_know(&trouble);
        sleep(length * 2).await;

        let trouble = self.nobody_knows();
        self.servers.lead(successor.host, NOWHERE).await;
        block_in_place(|| successor.server.kill());
        self.history.end_term();
        self.history.begin_term(primary.branch, Some(known));
        self.use_primary(primary.clone()).await;
        self.servers.lead(primary.host, primary.server.port()).await;
        self.all_know(&trouble);
        cluster.keep_past_of(&successor).await;
        self.servers.add_standby().await;
        format!("for {length:?}, losing {lost:?}")
    }

    /// The primary ends and `standby`, to which the other host leads, takes over.
    async fn take_over(&self, standby: Arc<Postgres>, end: End) {
        let old = self.servers.cluster.primary();
        let trouble = self.nobody_knows();
        match end {
            End::Killed => block_in_place(|| old.server.kill()),
            End::Frozen => block_in_place(|| old.server.pause()),
        }
        self.history.end_term();
        self.promote(standby, 1 - old.host).await;
        if matches!(end, End::Frozen) {
            sleep(SILENCE).await;
        }
        self.all_know(&trouble);
        self.servers.lead(old.host, NOWHERE).await;
        if matches!(end, End::Frozen) {
            // It could not hear that it is to end. Nobody can hear what it says meanwhile.
            block_in_place(|| old.server.resume());
            block_in_place(|| old.server.kill());
        }
        self.servers.cluster.keep_past_of(&old).await;
    }

    /// Makes a standby the primary that all are to use.
    async fn promote(&self, standby: Arc<Postgres>, host: usize) -> Primary {
        let successor = Primary {
            branch: self.servers.cluster.new_branch(),
            server: standby,
            host,
        };
        self.servers.cluster.set_standby(None);
        self.history.begin_term(successor.branch, None);
        successor.server.promote().await;
        self.use_primary(successor.clone()).await;
        successor
    }

    async fn use_primary(&self, primary: Primary) {
        self.servers.cluster.set_primary(primary);
        self.servers.cluster.end_prepared().await;
        // What it had received of a harm that is over elsewhere.
        self.try_execute("UPDATE checker.pace SET seconds = 0")
            .await;
    }

    /// The primary is about to end: no replica reaches it, and no copy from before counts after.
    pub(super) fn nobody_knows(&self) -> (OpenWindow, Vec<OpenWindow>) {
        let slots = self.servers.slots.iter();
        let forgot = slots.map(|slot| self.history.open_window(Trouble::Forgot(slot.index)));
        (
            self.history.open_window(Trouble::Databases),
            forgot.collect(),
        )
    }

    pub(super) fn all_know(&self, (away, forgot): &(OpenWindow, Vec<OpenWindow>)) {
        self.history.close_window(away, AFTERMATH);
        for window in forgot {
            self.history.close_window(window, RESYNCED);
        }
    }
}

/// For how long what the primary commits is lost.
fn lost_time(rng: &mut StdRng) -> Duration {
    Duration::from_millis(rng.random_range(0..1_500))
}
