//! What the caches tell Prometheus.
use super::{CachedCatalog, Knowledge};
use crate::telemetry::Page;

impl CachedCatalog {
    /// Writes the figures of the caches, and of the feed that keeps them true.
    pub fn collect(&self, page: &mut Page) {
        self.lookups(page);
        self.near_cache(page);
        self.loads(page);
        self.proof(page);
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
        page.gauge("catalog_cache_near_bytes", "What they take.")
            .sample(&[], bytes);
        page.gauge("catalog_cache_near_capacity_bytes", "What they may take.")
            .sample(&[], near.capacity_bytes());
    }

    fn loads(&self, page: &mut Page) {
        let stats = &self.stats;
        for (name, help, count) in [
            (
                "catalog_cache_evictions_total",
                "Entries that were pushed out of the near cache for want of room.",
                &stats.evictions,
            ),
            (
                "catalog_cache_early_refreshes_total",
                "Entries that were loaded again before their time was over.",
                &stats.early_refreshes,
            ),
            (
                "catalog_cache_leases_total",
                "Leases to fill the shared cache that this replica got.",
                &stats.leases,
            ),
            (
                "catalog_cache_lease_waits_total",
                "Times that a load waited for another replica's fill.",
                &stats.lease_waits,
            ),
            (
                "catalog_cache_database_reads_total",
                "Statements that loads sent to the database.",
                &stats.database_reads,
            ),
            (
                "catalog_cache_database_errors_total",
                "Those of them that failed.",
                &stats.database_errors,
            ),
            (
                "catalog_cache_fills_outrun_total",
                "Fills that the catalog had outrun when they were done; never kept.",
                &stats.fills_outrun,
            ),
        ] {
            page.counter(name, help).sample(&[], count.get());
        }
    }

    fn proof(&self, page: &mut Page) {
        let stats = &self.stats;
        for (name, help, count) in [
            (
                "catalog_cache_stale_answers_total",
                "Answers that were marked stale.",
                &stats.stale_answers,
            ),
            (
                "catalog_cache_audit_checks_total",
                "Entries that were read again to be checked.",
                &stats.audit_checked,
            ),
            (
                "catalog_cache_audit_violations_total",
                "Entries that were called valid and differed from the database; must stay 0.",
                &stats.audit_violations,
            ),
        ] {
            page.counter(name, help).sample(&[], count.get());
        }
        page.gauge(
            "catalog_cache_audit_interval_seconds",
            "How often this replica is to read an entry again to check it; 0 for never.",
        )
        .sample(
            &[],
            self.knowledge
                .share(self.loader().settings.audit_interval)
                .as_secs_f64(),
        );
    }

    fn feed(&self, page: &mut Page) {
        let knowledge: &Knowledge = &self.knowledge;
        page.gauge(
            "catalog_feed_applied_commit",
            "The newest commit of the catalog that was applied here; the replicas' highest less this is the lag.",
        )
        .sample(&[], knowledge.version().stamp.seq);
        if let Some(age) = knowledge.age() {
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
        .sample(&[], knowledge.max_staleness().as_secs_f64());
        page.gauge("catalog_feed_up", "Whether the last poll was answered.")
            .sample(&[], u8::from(!knowledge.is_lost()));
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
            "catalog_feed_news_total",
            "Times that another replica told what changed, so that this one need not ask.",
        )
        .sample(&[], stats.news.get());
        page.counter(
            "catalog_feed_resyncs_total",
            "Times that everything cached was given up, because changes were missing or the history was another.",
        )
        .sample(&[("cause", "gap")], stats.resyncs.get())
        .sample(&[("cause", "history")], stats.eras.get());
    }
}
