//! Metrics of the caches.
use super::{CachedCatalog, InvalidationState};
use crate::telemetry::Page;

impl CachedCatalog {
    /// Writes the metrics of the caches, and of the feed that keeps them true.
    pub fn collect(&self, page: &mut Page) {
        self.lookups(page);
        self.near_cache(page);
        for (name, help, count) in self.stats().counters() {
            page.counter(name, help).sample(&[], count);
        }
        page.gauge(
            "catalog_cache_audit_interval_seconds",
            "The interval between this replica's audit checks of cached entries; 0 if the audit is off.",
        )
        .sample(
            &[],
            self.loader
                .invalidation
                .share(self.loader.settings.audit_interval)
                .as_secs_f64(),
        );
        self.feed(page);
    }

    fn lookups(&self, page: &mut Page) {
        let stats = self.stats();
        let mut lookups = page.counter(
            "catalog_cache_lookups_total",
            "Cache lookups, by tier and result.",
        );
        for (tier, result, count) in [
            ("near", "hit", &stats.near_hits),
            ("near", "absent", &stats.near_absent),
            ("near", "expired", &stats.near_expired),
            ("near", "changed", &stats.near_changed),
            ("near", "unconfirmed", &stats.near_unconfirmed),
            ("shared", "hit", &stats.shared_hits),
            ("shared", "miss", &stats.shared_misses),
            ("shared", "error", &stats.shared_errors),
        ] {
            lookups.sample(&[("tier", tier), ("result", result)], count.get());
        }
        page.histogram(
            "catalog_cache_read_duration_seconds",
            "Duration of catalog reads: hits in the near cache, or loads.",
        )
        .spread(&[("result", "hit")], &stats.hit_latency.distribution())
        .spread(&[("result", "load")], &stats.load_latency.distribution());
    }

    fn near_cache(&self, page: &mut Page) {
        let near = &self.loader.near;
        let (entries, bytes) = near.size();
        page.gauge(
            "catalog_cache_near_entries",
            "Number of entries in the near cache.",
        )
        .sample(&[], entries);
        page.gauge(
            "catalog_cache_near_bytes",
            "Size of the near cache in bytes.",
        )
        .sample(&[], bytes);
        page.gauge(
            "catalog_cache_near_capacity_bytes",
            "Capacity of the near cache in bytes.",
        )
        .sample(&[], near.capacity_bytes());
    }

    fn feed(&self, page: &mut Page) {
        let invalidation: &InvalidationState = &self.loader.invalidation;
        page.gauge(
            "catalog_feed_applied_commit",
            "The newest catalog commit that this replica applied; the highest of all replicas minus this is its lag.",
        )
        .sample(&[], invalidation.version().stamp.seq);
        if let Some(age) = invalidation.age() {
            page.gauge(
                "catalog_feed_confirmation_age_seconds",
                "Seconds since the last answered poll was sent: the greatest age of a fresh answer.",
            )
            .sample(&[], age.as_secs_f64());
        }
        page.gauge(
            "catalog_feed_max_staleness_seconds",
            "The age from which this replica marks its answers stale.",
        )
        .sample(&[], invalidation.max_staleness().as_secs_f64());
        page.gauge(
            "catalog_feed_up",
            "1 if the database answered the last poll.",
        )
        .sample(&[], u8::from(!invalidation.is_lost()));
        let stats = self.stats();
        let failed = stats.polls_failed.get();
        page.counter(
            "catalog_feed_polls_total",
            "Polls of the database for changes, by result.",
        )
        .sample(
            &[("result", "answered")],
            stats.polls.get().saturating_sub(failed),
        )
        .sample(&[("result", "failed")], failed);
        page.counter(
            "catalog_feed_resyncs_total",
            "Times that the whole cache was invalidated, because changes were missing or the database began another history.",
        )
        .sample(&[("cause", "gap")], stats.resyncs.get())
        .sample(&[("cause", "history")], stats.eras.get());
    }
}
