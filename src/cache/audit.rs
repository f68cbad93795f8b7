use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{CachedCatalog, Knowledge};
use crate::domain::{Invalidation, Invalidator, Tag};

/// Checks what the proof rests on: now and then it reads one random
/// entry again from the database. An entry that is called valid and differs
/// shows that the table changed behind the triggers' back; then everything is
/// declared changed, in the whole fleet, and the alarm is raised.
pub struct Audit {
    catalog: Arc<CachedCatalog>,
    knowledge: Arc<Knowledge>,
    invalidator: Arc<dyn Invalidator>,
    interval: Duration,
}

/// How long to wait for word of what changed until the check.
const CONFIRM_WITHIN: Duration = Duration::from_millis(500);

impl Audit {
    /// Checks an entry of `catalog` every `interval`, a fifth more or less; never, when it is zero.
    #[must_use]
    pub fn new(
        catalog: Arc<CachedCatalog>,
        knowledge: Arc<Knowledge>,
        invalidator: Arc<dyn Invalidator>,
        interval: Duration,
    ) -> Self {
        Self {
            catalog,
            knowledge,
            invalidator,
            interval,
        }
    }

    /// Checks for ever.
    pub async fn run(self) {
        while !self.interval.is_zero() {
            sleep(self.interval.mul_f64(rand::random_range(0.8..1.2))).await;
            self.check_one().await;
        }
    }

    /// Checks one entry. Tells whether it was as it should be; true also when it cannot be told.
    pub(super) async fn check_one(&self) -> bool {
        let loader = self.catalog.loader();
        let Some((key, entry)) = loader.near.random() else {
            return true;
        };
        if self.knowledge.is_lost() || !self.knowledge.is_valid(&key, &entry) {
            return true;
        }
        let Ok(body) = loader.read_one(&key).await else {
            return true;
        };
        self.catalog.stats().audit_checked.add(1);
        if body == entry.body {
            return true;
        }
        // It changed: is that known by now?
        let confirmed = self.knowledge.confirm(CONFIRM_WITHIN).await;
        if !confirmed || !self.knowledge.is_valid(&key, &entry) {
            return true;
        }
        self.catalog.stats().audit_violations.add(1);
        tracing::error!(
            %key, stamp = %entry.stamp,
            "a valid entry differs from the database: the table changed unnoticed; run `verify`"
        );
        let how = Invalidation {
            hard: true,
            awaited: false,
        };
        if let Err(error) = self.invalidator.invalidate(&[Tag::Everything], how).await {
            tracing::error!(%error, "the fleet could not be told; this replica drops its copies");
            loader.near.clear();
        }
        self.knowledge.want_poll();
        false
    }
}
