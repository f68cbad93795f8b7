//! Compares random entries with the database, to notice changes that the triggers did not see.
use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    CachedCatalog,
    entry::{CacheEntry, ReadKey},
};
use crate::domain::{Invalidation, Invalidator, Tag};

/// Checks what the proof rests on: it reads random valid entries again from the database. An entry that is called valid and differs
/// shows that the table changed behind the triggers' back; then everything is
/// declared changed, in the whole fleet, and the alarm is raised.
pub struct Auditor {
    catalog: Arc<CachedCatalog>,
    invalidator: Arc<dyn Invalidator>,
}

/// How long to wait for word of what changed until the check.
const CONFIRM_WITHIN: Duration = Duration::from_millis(500);

impl Auditor {
    /// Checks entries of `catalog`, as often as its settings say.
    #[must_use]
    pub fn new(catalog: Arc<CachedCatalog>, invalidator: Arc<dyn Invalidator>) -> Self {
        Self {
            catalog,
            invalidator,
        }
    }

    /// Checks for ever, in intervals that are a fifth longer or shorter; never, when they are zero. The replicas
    /// share the work: there is one check in an interval, however many there are.
    pub async fn run(self) {
        let loader = &self.catalog.loader;
        let interval = loader.settings.audit_interval;
        while !interval.is_zero() {
            let share = loader.invalidation.share(interval);
            sleep(share.mul_f64(rand::random_range(0.8..1.2))).await;
            self.check_one().await;
        }
    }

    /// Checks one entry. Returns whether it equals the database; true also if that cannot be found out.
    pub(super) async fn check_one(&self) -> bool {
        let loader = &self.catalog.loader;
        let (stats, invalidation) = (&loader.stats, &loader.invalidation);
        if invalidation.is_lost() {
            return true;
        }
        let is_valid = |key: &ReadKey, entry: &CacheEntry| invalidation.is_valid(key, entry);
        let Some((key, entry)) = loader.near.draw(is_valid) else {
            return true;
        };
        let Ok(body) = loader.database.read_again(&key, entry.body.as_ref()).await else {
            return true;
        };
        stats.audit_checked.add(1);
        if body == entry.body {
            return true;
        }
        // It differs: has the feed reported the change by now?
        let is_confirmed = invalidation.confirm(CONFIRM_WITHIN).await;
        if !is_confirmed || !invalidation.is_valid(&key, &entry) {
            return true;
        }
        stats.audit_violations.add(1);
        tracing::error!(
            %key, stamp = %entry.stamp,
            "a valid entry differs from the database: the table changed unnoticed; run `verify`"
        );
        let how = Invalidation {
            hard: true,
            awaited: false,
        };
        if let Err(error) = self.invalidator.invalidate(&[Tag::Everything], how).await {
            tracing::error!(%error, "the fleet could not be notified; this replica drops its cached entries");
            loader.near.clear();
        }
        invalidation.want_poll();
        false
    }
}
