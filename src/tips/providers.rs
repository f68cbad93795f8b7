//! Which providers may be asked, and how that is changed from outside.
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Board,
    supplier::{SHORT_PAUSE, Supplier},
};
use crate::domain::{Resumed, ResumedProvider, TipProviders};

impl Board {
    /// Whether anybody is configured to write; without, tips that persons wrote are served.
    #[must_use]
    pub fn has_writers(&self) -> bool {
        !self.0.suppliers.is_empty()
    }

    /// Whether any provider may be asked, now or within a minute, as far as it is known here; false
    /// without providers.
    #[must_use]
    pub fn has_provider(&self) -> bool {
        let mut suppliers = self.0.suppliers.iter();
        suppliers.any(|supplier| {
            supplier.breaker.is_closed() && self.pause_left(supplier) <= SHORT_PAUSE
        })
    }

    /// Whether a provider took no order from us when it was asked last.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let mut suppliers = self.0.suppliers.iter();
        suppliers.any(|supplier| supplier.breaker.is_refusing())
    }

    /// Orders go to `provider` with another key from now on: that it refused the one before says
    /// nothing any more.
    pub async fn key_renewed(&self, provider: &str) {
        for supplier in &self.0.suppliers {
            if supplier.writer.route().provider != provider {
                continue;
            }
            let was_refusing = supplier.breaker.is_refusing();
            supplier.key_renewed();
            // Money that was spent keeps the whole fleet away, which may have the new key by now.
            if was_refusing && self.pause_left(supplier) > Duration::ZERO {
                self.0.limiter.resume(&supplier.name).await;
            }
        }
    }

    /// Where a provider is left alone, looks whether an operator resumed it at another replica.
    pub async fn look_for_resume(&self) {
        for supplier in &self.0.suppliers {
            let is_away =
                !supplier.breaker.is_closed() || self.pause_left(supplier) > Duration::ZERO;
            if is_away && self.0.limiter.sees_resume(&supplier.name).await {
                supplier.resume();
                tracing::info!(
                    provider = supplier.name,
                    "orders go to a provider again: it was resumed by hand"
                );
            }
        }
    }

    pub(super) fn pause_left(&self, supplier: &Supplier) -> Duration {
        self.0.limiter.paused(&supplier.name)
    }
}

#[async_trait]
impl TipProviders for Board {
    async fn resume(&self) -> Resumed {
        let mut providers = Vec::new();
        let mut is_fleet_wide = self.0.fanout.is_some();
        for supplier in &self.0.suppliers {
            let route = supplier.writer.route();
            let resumed = ResumedProvider {
                provider: route.provider.clone(),
                model: route.model.clone(),
                was_left_alone: !supplier.breaker.is_closed(),
                pause_left: self.pause_left(supplier),
            };
            supplier.resume();
            is_fleet_wide &= self.0.limiter.resume(&supplier.name).await;
            let (was_left_alone, pause_left) = (resumed.was_left_alone, resumed.pause_left);
            tracing::info!(
                provider = supplier.name,
                was_left_alone,
                ?pause_left,
                is_fleet_wide,
                "orders go to a provider again: an operator resumes it"
            );
            providers.push(resumed);
        }
        Resumed {
            providers,
            is_fleet_wide,
        }
    }
}
