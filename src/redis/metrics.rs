//! Metrics of the connections to Redis and of their circuit breakers.
use super::RedisClientState;
use crate::telemetry::{Family, Page};

/// The clients, each with what it is used for.
type Clients<'a> = &'a [(&'a str, RedisClientState)];

/// Writes the metrics of the clients.
pub fn collect(clients: Clients<'_>, page: &mut Page) {
    let open = page.gauge(
        "catalog_redis_breaker_open",
        "1 while a circuit breaker is open: the service sends Redis no such reads or writes, but for probes.",
    );
    by_kind(open, clients, |state| {
        [state.read_breaker_open, state.write_breaker_open].map(u64::from)
    });
    let short_circuited = page.counter(
        "catalog_redis_short_circuited_total",
        "Redis commands that were not sent because a circuit breaker was open.",
    );
    by_kind(short_circuited, clients, |state| {
        [state.reads_short_circuited, state.writes_short_circuited]
    });
    let failures = page.counter(
        "catalog_redis_failures_total",
        "Redis commands that failed or timed out.",
    );
    by_use(failures, clients, |state| state.failures);
    let foreign_entries = page.counter(
        "catalog_redis_strange_entries_total",
        "Redis entries found under this fleet's keys that no replica wrote; they are ignored.",
    );
    by_use(foreign_entries, clients, |state| state.foreign_entries);
    let connections = page.gauge(
        "catalog_redis_pool_connections",
        "Open connections to Redis; each carries many commands at once.",
    );
    by_use(connections, clients, |state| state.open.into());
    let most = page.gauge(
        "catalog_redis_pool_max_connections",
        "The most connections to Redis that may be open.",
    );
    by_use(most, clients, |state| state.max.into());
}

fn by_use(mut family: Family<'_>, clients: Clients<'_>, value: fn(&RedisClientState) -> u64) {
    for (usage, state) in clients {
        family.sample(&[("use", usage)], value(state));
    }
}

/// One sample for reads, and one for writes.
fn by_kind(
    mut family: Family<'_>,
    clients: Clients<'_>,
    values: fn(&RedisClientState) -> [u64; 2],
) {
    for (usage, state) in clients {
        for (kind, value) in ["read", "write"].into_iter().zip(values(state)) {
            family.sample(&[("use", usage), ("kind", kind)], value);
        }
    }
}
