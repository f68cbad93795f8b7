//! What the metrics page shows of edges.
use crate::telemetry::{Buckets, Counter, Histogram, Page};

/// What is counted of one edge.
#[derive(Debug)]
pub(super) struct EdgeMetrics {
    pub(super) purged: Counter,
    pub(super) failed: Counter,
    pub(super) proven: Counter,
    pub(super) unproven: Counter,
    pub(super) purge_time: Histogram,
}

impl Default for EdgeMetrics {
    fn default() -> Self {
        Self {
            purged: Counter::default(),
            failed: Counter::default(),
            proven: Counter::default(),
            unproven: Counter::default(),
            purge_time: Histogram::new(&Buckets::CALLS),
        }
    }
}

/// Writes the metrics of `edges`: name, what is counted, and how many tags wait.
pub(super) fn collect(edges: &[(&str, &EdgeMetrics, usize)], page: &mut Page) {
    let mut purges = page.counter(
        "catalog_edge_purges_total",
        "Rounds of purges of an edge cache, by outcome; what failed is tried again.",
    );
    for (edge, metrics, _) in edges {
        purges
            .sample(
                &[("edge", edge), ("outcome", "purged")],
                metrics.purged.get(),
            )
            .sample(
                &[("edge", edge), ("outcome", "failed")],
                metrics.failed.get(),
            );
    }
    let mut times = page.histogram(
        "catalog_edge_purge_duration_seconds",
        "How long a round of purges of an edge cache took.",
    );
    for (edge, metrics, _) in edges {
        times.spread(&[("edge", edge)], &metrics.purge_time.distribution());
    }
    let mut waiting = page.gauge(
        "catalog_edge_purge_waiting_tags",
        "Tags that an edge cache is still to be purged of.",
    );
    for (edge, _, tags) in edges {
        waiting.sample(&[("edge", edge)], *tags);
    }
    let mut proofs = page.counter(
        "catalog_edge_proofs_total",
        "Receipts of invalidations by whether they prove that an edge cache shows the commit.",
    );
    for (edge, metrics, _) in edges {
        proofs
            .sample(
                &[("edge", edge), ("outcome", "proven")],
                metrics.proven.get(),
            )
            .sample(
                &[("edge", edge), ("outcome", "unproven")],
                metrics.unproven.get(),
            );
    }
}
