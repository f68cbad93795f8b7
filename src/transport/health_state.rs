//! The health status of this replica, name by name.
//!
//! All names are one value of a `watch` channel: whoever watches keeps a cursor, and is told how its name stands
//! when it asks, not what it missed. Statements that change nothing wake nobody.
use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::{
    domain::{Flag, RuntimeSetting},
    pb::health::v1::health_check_response::ServingStatus,
};

/// The name of the catalog's own health.
const CATALOG: &str = "challenges.catalog.v1.ChallengesCatalog";
const LIVENESS: &str = "liveness";
const STARTUP: &str = "startup";
/// The names that tell whether calls should come here.
const READINESS: [&str; 3] = ["", "readiness", CATALOG];

/// What `grpc.health.v1` says of this replica, name by name.
///
/// `""` and `readiness` tell whether the replica can answer; `startup` whether it ever could; `liveness` never
/// looks at anything; `dependency/…`, `feature/…` and `setting/…` are for eyes and alerts.
#[derive(Clone, Debug)]
pub struct HealthState {
    statuses: watch::Sender<Statuses>,
}

/// How every name stands.
#[derive(Debug)]
pub(super) struct Statuses {
    by_name: BTreeMap<String, ServingStatus>,
    /// Whether operators let calls to the catalog in.
    is_open: bool,
    /// From here on the replica is never ready again.
    is_leaving: bool,
    /// Nothing changes any more.
    is_final: bool,
}

/// How a feature stands, for eyes and alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `SERVING`.
    On,
    /// `NOT_SERVING`.
    Off,
    /// `UNKNOWN`: its row makes no sense, and what was in force stays.
    Broken,
}

impl HealthState {
    /// Alive, but not ready for anything yet.
    #[must_use]
    pub fn starting() -> Self {
        let health = Self {
            statuses: watch::Sender::new(Statuses {
                by_name: BTreeMap::new(),
                is_open: true,
                is_leaving: false,
                is_final: false,
            }),
        };
        health.set(LIVENESS, true);
        health.set(STARTUP, false);
        health.set_ready(false);
        health
    }

    /// How a name stands, if anything was said of it.
    pub(super) fn get(&self, name: &str) -> Option<ServingStatus> {
        self.statuses.borrow().get(name)
    }

    /// How every name stands.
    pub(super) fn all(&self) -> BTreeMap<String, ServingStatus> {
        self.statuses.borrow().by_name.clone()
    }

    /// How the names stand, and when that changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Statuses> {
        self.statuses.subscribe()
    }

    /// Says that the replica has started: it could answer.
    pub fn set_started(&self) {
        self.set(STARTUP, true);
    }

    /// Says of one name whether it serves.
    pub fn set(&self, name: &str, serves: bool) {
        self.say(name.to_owned(), of(serves));
    }

    fn say(&self, name: String, status: ServingStatus) {
        self.statuses
            .send_if_modified(|statuses| statuses.say(name, status));
    }

    /// Every name that has a status, and whether it is SERVING.
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, bool)> {
        let names = self.all().into_iter();
        names
            .map(|(name, status)| (name, status == ServingStatus::Serving))
            .collect()
    }

    /// Says how a feature stands, as `feature/<flag>`.
    pub fn set_feature(&self, flag: Flag, feature: Feature) {
        let status = match feature {
            Feature::On => ServingStatus::Serving,
            Feature::Off => ServingStatus::NotServing,
            Feature::Broken => ServingStatus::Unknown,
        };
        self.say(format!("feature/{flag}"), status);
    }

    /// Says, as `setting/<setting>`, whether the row of a setting makes sense: `SERVING`, also
    /// without one; else `UNKNOWN`, and what was in force stays.
    pub fn set_setting(&self, setting: RuntimeSetting, is_sound: bool) {
        let status = if is_sound {
            ServingStatus::Serving
        } else {
            ServingStatus::Unknown
        };
        self.say(format!("setting/{setting}"), status);
    }

    /// Notes whether operators let calls to the catalog in; [`Self::set_ready`] says it.
    pub fn note_open(&self, is_open: bool) {
        self.statuses.send_if_modified(|statuses| {
            statuses.is_open = is_open;
            false
        });
    }

    /// Says whether calls should come here; to the catalog they should only while it is open.
    /// After [`Self::leave`] they never should.
    pub fn set_ready(&self, ready: bool) {
        self.statuses
            .send_if_modified(|statuses| statuses.set_ready(ready));
    }

    /// Says that calls should go elsewhere, for good.
    pub fn leave(&self) {
        self.statuses.send_if_modified(|statuses| {
            statuses.is_leaving = true;
            statuses.set_ready(false)
        });
    }

    /// Says for the last time how the replica stands: it lives, and serves nothing. Every `Watch` ends with that,
    /// because an open one would hold up the shutdown. Whoever still asks, on a connection that is not closed
    /// yet, is answered.
    pub fn close(&self) {
        self.statuses.send_modify(|statuses| {
            for (name, status) in &mut statuses.by_name {
                *status = of(name == LIVENESS);
            }
            statuses.is_final = true;
        });
    }
}

impl Statuses {
    /// How a name stands, if anything was said of it.
    pub(super) fn get(&self, name: &str) -> Option<ServingStatus> {
        self.by_name.get(name).copied()
    }

    /// Whether nothing changes any more.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Returns whether the status changed.
    fn say(&mut self, name: String, status: ServingStatus) -> bool {
        !self.is_final && self.by_name.insert(name, status) != Some(status)
    }

    fn set_ready(&mut self, ready: bool) -> bool {
        let ready = ready && !self.is_leaving;
        let mut is_changed = false;
        for name in READINESS {
            let serves = ready && (name != CATALOG || self.is_open);
            is_changed |= self.say(name.to_owned(), of(serves));
        }
        is_changed
    }
}

fn of(serves: bool) -> ServingStatus {
    if serves {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}
