//! Metrics of the connections to Redis and of their circuit breakers.
use super::LinkState;
use crate::telemetry::Page;

/// Writes the metrics of the links, each with what it is used for.
pub fn collect(links: &[(&str, LinkState)], page: &mut Page) {
    let mut bypassed = page.gauge(
        "catalog_redis_breaker_open",
        "1 while a circuit breaker is open: the service sends Redis no such reads or writes, but for probes.",
    );
    for (usage, link) in links {
        for (kind, is_bypassed) in [
            ("read", link.reads_bypassed),
            ("write", link.writes_bypassed),
        ] {
            bypassed.sample(&[("use", usage), ("kind", kind)], u8::from(is_bypassed));
        }
    }
    let mut failures = page.counter(
        "catalog_redis_failures_total",
        "Redis commands that failed or timed out.",
    );
    for (usage, link) in links {
        failures.sample(&[("use", usage)], link.failures);
    }
    let mut foreign_entries = page.counter(
        "catalog_redis_strange_entries_total",
        "Redis entries found under this fleet's keys that no replica wrote; they are ignored.",
    );
    for (usage, link) in links {
        foreign_entries.sample(&[("use", usage)], link.foreign_entries);
    }
    let mut open = page.gauge(
        "catalog_redis_pool_connections",
        "Open connections to Redis; each carries many commands at once.",
    );
    for (usage, link) in links {
        open.sample(&[("use", usage)], link.open);
    }
    let mut most = page.gauge(
        "catalog_redis_pool_max_connections",
        "The most connections to Redis that may be open.",
    );
    for (usage, link) in links {
        most.sample(&[("use", usage)], link.max);
    }
}
