//! What operators decide, brought to those who act on it.
use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{compose::App, tips::caller_limits};
use crate::{
    cache::CachedCatalog,
    config::{Config, ControlsConfig},
    domain::{ActiveControls, Evaluation, Flag, RuntimeSetting, Switches},
    flags::{FlagSettings, FlagSnapshot},
    tips::{ProviderQuota, TipLimits, TipService},
    transport::{Feature, Health},
};

/// The flags and settings as the replica was started with them.
pub(super) fn flag_snapshot(config: &ControlsConfig) -> FlagSnapshot {
    FlagSnapshot::new(FlagSettings {
        environment: config.environment.clone(),
        flags: config.flags.clone(),
        settings: config.settings.clone(),
    })
}

/// Acts on what operators decide: what is asked at every call asks the switches itself.
pub(super) struct Controls {
    flags: Arc<FlagSnapshot>,
    switches: Arc<Switches>,
    changes: watch::Receiver<u64>,
    catalog: Arc<CachedCatalog>,
    tips: Arc<TipService>,
    health: Health,
    /// Which providers there are, in their order.
    providers: Vec<Provider>,
    /// What was said of features; to say it again would wake everybody who watches.
    told: HashMap<Flag, Feature>,
    /// Of which settings it was said that their rows make sense.
    told_sound: HashMap<RuntimeSetting, bool>,
}

/// Whose limits are which settings.
#[derive(Clone, Copy, Debug)]
enum Provider {
    Anthropic,
    Openai,
}

impl Controls {
    pub(super) fn of(app: &App, config: &Config) -> Self {
        let anthropic = config.providers.anthropic.as_ref();
        let openai = config.providers.openai.as_ref();
        let anthropic = anthropic.map(|_| Provider::Anthropic);
        let openai = openai.map(|_| Provider::Openai);
        Self {
            flags: Arc::clone(&app.flags),
            switches: Arc::clone(app.flags.switches()),
            changes: app.flags.changes(),
            catalog: Arc::clone(&app.catalog),
            tips: Arc::clone(&app.board),
            health: app.health.clone(),
            providers: anthropic.into_iter().chain(openai).collect(),
            told: HashMap::new(),
            told_sound: HashMap::new(),
        }
    }

    /// Waits until rows were read again.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Brings everything to where it should be.
    pub(super) async fn act(&mut self) {
        self.changes.mark_unchanged();
        if !self.switches.is_on(Flag::NearCache) {
            self.catalog.clear_near();
        }
        let settings = self.flags.settings();
        let number = |setting| number(&settings, setting);
        self.catalog
            .set_ttl(Duration::from_millis(number(RuntimeSetting::CacheTtlMs)));
        let per_minute = count(number(RuntimeSetting::TipStreamsPerMinute));
        let at_once = number(RuntimeSetting::TipStreamsAtOnce);
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        self.tips.set_limits(&TipLimits {
            caller: caller_limits(per_minute, at_once),
            daily_budget_micro_usd: unless_zero(number(RuntimeSetting::TipDailyBudgetMicroUsd)),
            providers: self
                .providers
                .iter()
                .map(|provider| quota(*provider, number))
                .collect(),
        });
        self.health.note_open(self.is_open());
        self.tell(&settings).await;
    }

    /// Says how everything stands, where that is news.
    async fn tell(&mut self, settings: &[Evaluation<RuntimeSetting>]) {
        for evaluation in self.flags.flags() {
            let (flag, feature) = (evaluation.control, feature(&evaluation));
            if self.told.insert(flag, feature) != Some(feature) {
                self.health.set_feature(flag, feature).await;
            }
        }
        for evaluation in settings {
            let (setting, is_sound) = (evaluation.control, evaluation.problem.is_none());
            if self.told_sound.insert(setting, is_sound) != Some(is_sound) {
                self.health.set_setting(setting, is_sound).await;
            }
        }
    }

    /// Whether calls to the catalog are let in.
    pub(super) fn is_open(&self) -> bool {
        self.switches.is_on(Flag::ChallengesCatalog)
    }
}

fn feature(evaluation: &Evaluation<Flag>) -> Feature {
    match (&evaluation.problem, evaluation.value.percentage().get()) {
        (Some(_), _) => Feature::Broken,
        (None, 0) => Feature::Off,
        (None, _) => Feature::On,
    }
}

fn quota(provider: Provider, number: impl Fn(RuntimeSetting) -> u64) -> ProviderQuota {
    let (requests, tokens) = match provider {
        Provider::Anthropic => (
            RuntimeSetting::AnthropicRequestsPerMinute,
            RuntimeSetting::AnthropicTokensPerMinute,
        ),
        Provider::Openai => (
            RuntimeSetting::OpenaiRequestsPerMinute,
            RuntimeSetting::OpenaiTokensPerMinute,
        ),
    };
    let limit = |setting| unless_zero(number(setting)).map(count);
    ProviderQuota {
        requests_per_minute: limit(requests),
        tokens_per_minute: limit(tokens),
    }
}

fn number(settings: &[Evaluation<RuntimeSetting>], setting: RuntimeSetting) -> u64 {
    let mut settings = settings.iter();
    let evaluation = settings.find(|evaluation| evaluation.control == setting);
    evaluation.map_or(setting.definition().min, |evaluation| evaluation.value)
}

/// 0 says that there is no limit.
fn unless_zero(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
