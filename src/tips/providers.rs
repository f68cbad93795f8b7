//! Which providers may get requests, and how operators change that.
use std::time::Duration;

use async_trait::async_trait;

use super::{TipService, limiter::Limiter, provider::SHORT_PAUSE};
use crate::domain::{Resumed, ResumedProvider, TipProviders};

impl TipService {
    /// Whether a provider is configured; without one, tips that persons wrote are served.
    #[must_use]
    pub fn has_writers(&self) -> bool {
        !self.generator.providers.is_empty()
    }

    /// Whether any provider may get requests, now or within a minute, as far as it is known here; false
    /// without providers.
    #[must_use]
    pub fn has_provider(&self) -> bool {
        let mut providers = self.generator.providers.iter();
        providers.any(|provider| {
            provider.breaker.is_closed() && self.generator.pause_left(provider) <= SHORT_PAUSE
        })
    }

    /// Whether a provider refused our last request because of our key, our account or the model.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let mut providers = self.generator.providers.iter();
        providers.any(|provider| provider.breaker.is_refusing())
    }

    /// Requests go to `provider` with another key from now on: that it refused the old key means
    /// nothing any more.
    pub async fn key_renewed(&self, provider: &str) {
        for known in &self.generator.providers {
            if known.writer.route().provider != provider {
                continue;
            }
            let was_refusing = known.breaker.is_refusing();
            known.key_renewed();
            // A spent account pauses the provider for the whole fleet, which may have the new key by now.
            if was_refusing && self.generator.pause_left(known) > Duration::ZERO {
                self.limiter().resume(&known.name).await;
            }
        }
    }

    /// For each provider that gets no requests: polls whether an operator resumed it at another replica.
    pub async fn poll_resume(&self) {
        for provider in &self.generator.providers {
            let is_away = !provider.breaker.is_closed()
                || self.generator.pause_left(provider) > Duration::ZERO;
            if is_away && self.limiter().sees_resume(&provider.name).await {
                provider.resume();
                tracing::info!(
                    provider = provider.name,
                    "requests go to a provider again: an operator resumed it at another replica"
                );
            }
        }
    }

    fn limiter(&self) -> &Limiter {
        &self.generator.admission.limiter
    }
}

#[async_trait]
impl TipProviders for TipService {
    async fn resume(&self) -> Resumed {
        let mut providers = Vec::new();
        let mut is_fleet_wide = self.cluster.is_some();
        for provider in &self.generator.providers {
            let route = provider.writer.route();
            let resumed = ResumedProvider {
                provider: route.provider.clone(),
                model: route.model.clone(),
                was_left_alone: !provider.breaker.is_closed(),
                pause_left: self.generator.pause_left(provider),
            };
            provider.resume();
            is_fleet_wide &= self.limiter().resume(&provider.name).await;
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
