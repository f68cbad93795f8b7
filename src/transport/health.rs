//! What `grpc.health.v1` says of this replica.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthApi, HealthServer},
    server::{HealthReporter, HealthService},
};

use crate::domain::{Flag, RuntimeSetting};

/// The name of the catalog's own health.
const CATALOG: &str = "challenges.catalog.v1.ChallengesCatalog";

/// What `grpc.health.v1` says of this replica, name by name.
///
/// `""` and `readiness` tell whether the replica can answer; `startup` whether
/// it ever could; `liveness` never looks at anything; `dependency/…`, `feature/…` and `setting/…`
/// are for eyes and alerts.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    /// What was said last of each name.
    said: Arc<Mutex<BTreeMap<String, bool>>>,
    /// From here on the replica is never ready again.
    is_leaving: Arc<AtomicBool>,
    /// Whether operators let calls to the catalog in.
    is_open: Arc<AtomicBool>,
}

/// The names that tell whether calls should come here.
const READINESS: [&str; 3] = ["", "readiness", CATALOG];

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

impl Health {
    /// Alive, but not ready for anything yet.
    pub async fn starting() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            said: Arc::default(),
            is_leaving: Arc::default(),
            is_open: Arc::new(AtomicBool::new(true)),
        };
        health.set("liveness", true).await;
        health.set("startup", false).await;
        health.set_ready(false).await;
        health
    }

    /// The service that answers `Check` and `Watch`.
    #[must_use]
    pub fn service(&self) -> HealthServer<impl HealthApi> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Says of one name whether it serves.
    pub async fn set(&self, name: &str, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.say(name.to_owned(), status).await;
    }

    async fn say(&self, name: String, status: ServingStatus) {
        let serves = status == ServingStatus::Serving;
        self.said_last().insert(name.clone(), serves);
        self.reporter.set_service_status(name, status).await;
    }

    /// Every name of which something was said, and whether it serves.
    #[must_use]
    pub fn said(&self) -> Vec<(String, bool)> {
        let said = self.said_last();
        said.iter()
            .map(|(name, serving)| (name.clone(), *serving))
            .collect()
    }

    fn said_last(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how a feature stands, as `feature/<flag>`.
    pub async fn set_feature(&self, flag: Flag, feature: Feature) {
        let status = match feature {
            Feature::On => ServingStatus::Serving,
            Feature::Off => ServingStatus::NotServing,
            Feature::Broken => ServingStatus::Unknown,
        };
        self.say(Self::feature_name(flag), status).await;
    }

    /// Says, as `setting/<setting>`, whether the row of a setting makes sense: `SERVING`, also
    /// without one; else `UNKNOWN`, and what was in force stays.
    pub async fn set_setting(&self, setting: RuntimeSetting, is_sound: bool) {
        let status = if is_sound {
            ServingStatus::Serving
        } else {
            ServingStatus::Unknown
        };
        self.say(Self::setting_name(setting), status).await;
    }

    /// The name of a feature.
    #[must_use]
    pub fn feature_name(flag: Flag) -> String {
        format!("feature/{flag}")
    }

    /// The name of a setting that may be changed.
    #[must_use]
    pub fn setting_name(setting: RuntimeSetting) -> String {
        format!("setting/{setting}")
    }

    /// Notes whether operators let calls to the catalog in; [`Self::set_ready`] says it.
    pub fn note_open(&self, is_open: bool) {
        self.is_open.store(is_open, SeqCst);
    }

    /// Says whether calls should come here; to the catalog they should only while it is open.
    /// After [`Self::leave`] they never should.
    pub async fn set_ready(&self, ready: bool) {
        for name in READINESS {
            let is_open = name != CATALOG || self.is_open.load(SeqCst);
            self.set(name, ready && is_open).await;
        }
        // Looked at last: whoever leaves meanwhile has the last word.
        if ready && self.is_leaving.load(SeqCst) {
            self.not_ready().await;
        }
    }

    /// Says that calls should go elsewhere, for good.
    pub async fn leave(&self) {
        self.is_leaving.store(true, SeqCst);
        self.not_ready().await;
    }

    async fn not_ready(&self) {
        for name in READINESS {
            self.set(name, false).await;
        }
    }

    /// Ends every `Watch`: an open one would hold up the shutdown. Who still asks, on a
    /// connection that is not closed yet, hears of the replica what is so.
    pub async fn close(&mut self, names: &[&str]) {
        let features = Flag::ALL.into_iter().map(Self::feature_name);
        let settings = RuntimeSetting::ALL.into_iter().map(Self::setting_name);
        let controls: Vec<_> = features.chain(settings).collect();
        let controls = controls.iter().map(String::as_str);
        let names = READINESS.iter().chain(&["startup"]).chain(names).copied();
        for name in names.chain(controls) {
            self.reporter.clear_service_status(name).await;
            self.set(name, false).await;
        }
        self.reporter.clear_service_status("liveness").await;
        self.set("liveness", true).await;
    }
}
