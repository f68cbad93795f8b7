//! Applies flags and runtime settings to the cache, the tips and the health service whenever they change.
//! Code that checks a flag on each call reads [`Switches`] itself.
use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{compose::App, tips::caller_limits};
use crate::{
    domain::{ActiveControls, Evaluation, Flag, RuntimeSetting, Switches},
    llm::ProviderProtocol,
    tips::{ProviderQuota, TipLimits},
    transport::Feature,
};

/// Applies flags and runtime settings.
pub(super) struct ControlApplier {
    app: Arc<App>,
    changes: watch::Receiver<u64>,
}

impl ControlApplier {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            changes: app.flags.changes(),
        }
    }

    /// Waits until the rows were read again.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Applies all flags and settings as they are now.
    pub(super) fn apply(&mut self) {
        self.changes.mark_unchanged();
        if !self.switches().is_on(Flag::NearCache) {
            self.app.catalog.clear_near();
        }
        let settings = self.app.flags.settings();
        let value = |setting| value(&settings, setting);
        let ttl = Duration::from_millis(value(RuntimeSetting::CacheTtlMs));
        self.app.catalog.set_ttl(ttl);
        let per_minute = saturating_u32(value(RuntimeSetting::TipStreamsPerMinute));
        let at_once = value(RuntimeSetting::TipStreamsAtOnce);
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        let clients = self.app.provider_clients.list.iter();
        self.app.tip_service.set_limits(&TipLimits {
            caller: caller_limits(per_minute, at_once),
            daily_budget_micro_usd: unless_zero(value(RuntimeSetting::TipDailyBudgetMicroUsd)),
            providers: clients.map(|one| quota(one.protocol, value)).collect(),
        });
        self.app.health.note_open(self.is_open());
        self.report(&settings);
    }

    /// Reports every flag and setting to the health service.
    fn report(&self, settings: &[Evaluation<RuntimeSetting>]) {
        let health = &self.app.health;
        for evaluation in self.app.flags.flags() {
            health.set_feature(evaluation.control, feature(&evaluation));
        }
        for evaluation in settings {
            health.set_setting(evaluation.control, evaluation.problem.is_none());
        }
    }

    /// Whether calls to the catalog are allowed.
    fn is_open(&self) -> bool {
        self.switches().is_on(Flag::ChallengesCatalog)
    }

    fn switches(&self) -> &Switches {
        self.app.flags.switches()
    }
}

fn feature(evaluation: &Evaluation<Flag>) -> Feature {
    match (&evaluation.problem, evaluation.value.percentage().get()) {
        (Some(_), _) => Feature::Broken,
        (None, 0) => Feature::Off,
        (None, _) => Feature::On,
    }
}

fn quota(provider: ProviderProtocol, value: impl Fn(RuntimeSetting) -> u64) -> ProviderQuota {
    let (requests, tokens) = match provider {
        ProviderProtocol::Anthropic => (
            RuntimeSetting::AnthropicRequestsPerMinute,
            RuntimeSetting::AnthropicTokensPerMinute,
        ),
        ProviderProtocol::OpenAi => (
            RuntimeSetting::OpenaiRequestsPerMinute,
            RuntimeSetting::OpenaiTokensPerMinute,
        ),
    };
    let limit = |setting| unless_zero(value(setting)).map(saturating_u32);
    ProviderQuota {
        requests_per_minute: limit(requests),
        tokens_per_minute: limit(tokens),
    }
}

fn value(settings: &[Evaluation<RuntimeSetting>], setting: RuntimeSetting) -> u64 {
    let mut settings = settings.iter();
    let evaluation = settings.find(|evaluation| evaluation.control == setting);
    evaluation.map_or(setting.definition().min, |evaluation| evaluation.value)
}

/// A limit as a setting states it: 0 means none.
fn unless_zero(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn saturating_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
