//! Which providers may be asked, and how that is changed from outside.
use std::time::Duration;

use async_trait::async_trait;

use super::{
    TipService,
    provider::{Provider, SHORT_PAUSE},
};
use crate::domain::{Resumed, ResumedProvider, TipProviders};

impl TipService {
    /// Whether anybody is configured to write; without, tips that persons wrote are served.
    #[must_use]
    pub fn has_writers(&self) -> bool {
        !self.context.providers.is_empty()
    }

    /// Whether any provider may be asked, now or within a minute, as far as it is known here; false
    /// without providers.
    #[must_use]
    pub fn has_provider(&self) -> bool {
        let mut providers = self.context.providers.iter();
        providers.any(|provider| {
            provider.breaker.is_closed() && self.pause_left(provider) <= SHORT_PAUSE
        })
    }

    /// Whether a provider took no order from us when it was asked last.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let mut providers = self.context.providers.iter();
        providers.any(|provider| provider.breaker.is_refusing())
    }

    /// Orders go to `provider` with another key from now on: that it refused the one before says
    /// nothing any more.
    pub async fn key_renewed(&self, provider: &str) {
        for known in &self.context.providers {
            if known.writer.route().provider != provider {
                continue;
            }
            let was_refusing = known.breaker.is_refusing();
            known.key_renewed();
            // Money that was spent keeps the whole fleet away, which may have the new key by now.
            if was_refusing && self.pause_left(known) > Duration::ZERO {
                self.context.admission.limiter.resume(&known.name).await;
            }
        }
    }

    /// Where a provider is left alone, looks whether an operator resumed it at another replica.
    pub async fn look_for_resume(&self) {
        for provider in &self.context.providers {
            let is_away =
                !provider.breaker.is_closed() || self.pause_left(provider) > Duration::ZERO;
            if is_away
                && self
                    .context
                    .admission
                    .limiter
                    .sees_resume(&provider.name)
                    .await
            {
                provider.resume();
                tracing::info!(
                    provider = provider.name,
                    "requests go to a provider again: an operator resumed it at another replica"
                );
            }
        }
    }

    pub(super) fn pause_left(&self, provider: &Provider) -> Duration {
        self.context.admission.limiter.paused(&provider.name)
    }
}

#[async_trait]
impl TipProviders for TipService {
    async fn resume(&self) -> Resumed {
        let mut providers = Vec::new();
        let mut is_fleet_wide = self.context.cluster.is_some();
        for provider in &self.context.providers {
            let route = provider.writer.route();
            let resumed = ResumedProvider {
                provider: route.provider.clone(),
                model: route.model.clone(),
                was_left_alone: !provider.breaker.is_closed(),
                pause_left: self.pause_left(provider),
            };
            provider.resume();
            is_fleet_wide &= self.context.admission.limiter.resume(&provider.name).await;
            let (was_left_alone, pause_left) = (resumed.was_left_alone, resumed.pause_left);
            tracing::info!(
                provider = provider.name,
                was_left_alone,
                ?pause_left,
                is_fleet_wide,
                "requests go to a provider again: an operator resumed it"
            );
            providers.push(resumed);
        }
        Resumed {
            providers,
            is_fleet_wide,
        }
    }
}
