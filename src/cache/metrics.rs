//! What the caches tell Prometheus.
use super::{CachedCatalog, InvalidationState};
use crate::telemetry::Page;

impl CachedCatalog {
    /// Writes the metrics of the caches, and of the feed that keeps them true.
    pub fn collect(&self, page: &mut Page) {
        self.lookups(page);
        self.near_cache(page);
        for (name, help, count) in self.stats.counters() {
            page.counter(name, help).sample(&[], count);
        }
        page.gauge(
            "catalog_cache_audit_interval_seconds",
            "How often this replica is to read an entry again to check it; 0 for never.",
        )
        .sample(
            &[],
            self.invalidation
                .share(self.loader().settings.audit_interval)
                .as_secs_f64(),
        );
        self.feed(page);
    }

    fn lookups(&self, page: &mut Page) {
        let stats = &self.stats;
        let mut lookups = page.counter(
            "catalog_cache_lookups_total",
            "Looks into a cache, by tier and by what they gave.",
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
            "How long reads of the catalog took, in the near cache or with a load.",
        )
        .spread(&[("result", "hit")], &stats.hit_latency.distribution())
        .spread(&[("result", "load")], &stats.load_latency.distribution());
    }

    fn near_cache(&self, page: &mut Page) {
        let near = &self.loader().near;
        let (entries, bytes) = near.size();
        page.gauge("catalog_cache_near_entries", "Entries of the near cache.")
            .sample(&[], entries);
        page.gauge(
            "catalog_cache_near_bytes",
            "Size of the near cache in bytes.",
        )
        .sample(&[], bytes);
        page.gauge(
            "catalog_cache_near_capacity_bytes",
            "The most bytes that the near cache holds.",
        )
        .sample(&[], near.capacity_bytes());
    }

    fn feed(&self, page: &mut Page) {
        let invalidation: &InvalidationState = &self.invalidation;
        page.gauge(
            "catalog_feed_applied_commit",
            "The newest commit of the catalog that was applied here; the replicas' highest less this is the lag.",
        )
        .sample(&[], invalidation.version().stamp.seq);
        if let Some(age) = invalidation.age() {
            page.gauge(
                "catalog_feed_confirmation_age_seconds",
                "How long ago the last answered poll was sent: how old a fresh answer can be.",
            )
            .sample(&[], age.as_secs_f64());
        }
        page.gauge(
            "catalog_feed_max_staleness_seconds",
            "From this age on answers are marked stale.",
        )
        .sample(&[], invalidation.max_staleness().as_secs_f64());
        page.gauge("catalog_feed_up", "Whether the last poll was answered.")
            .sample(&[], u8::from(!invalidation.is_lost()));
        let stats = &self.stats;
        let failed = stats.polls_failed.get();
        page.counter(
            "catalog_feed_polls_total",
            "Questions to the database for what changed, by whether they were answered.",
        )
        .sample(
            &[("result", "answered")],
            stats.polls.get().saturating_sub(failed),
        )
        .sample(&[("result", "failed")], failed);
        page.counter(
            "catalog_feed_resyncs_total",
            "Times that everything cached was given up, because changes were missing or the history was another.",
        )
        .sample(&[("cause", "gap")], stats.resyncs.get())
        .sample(&[("cause", "history")], stats.eras.get());
    }
}
