//! Statuses as JSON: the field names of the proto, modes as plain words, durations in seconds
//! such as `0.412s`.
use prost_types::Duration;
use serde_json::{Value, json};

use crate::{
    cli::tip_view::word,
    pb::admin::v1::{
        DatabaseStatus, GetCacheStatusResponse, LatencyStatus, NearCacheStatus, ReplicaCacheStatus,
        SharedCacheStatus,
    },
};

/// The whole answer.
pub(super) fn status(status: &GetCacheStatusResponse) -> Value {
    let replicas: Vec<_> = status.replicas.iter().map(replica).collect();
    json!({
        "replicas": replicas,
        "silent": status.silent,
        "others_unknown": Some(&status.others_unknown).filter(|why| !why.is_empty()),
    })
}

fn replica(status: &ReplicaCacheStatus) -> Value {
    json!({
        "replica": status.replica,
        "time": status.time.map(|time| time.to_string()),
        "start_time": status.start_time.map(|time| time.to_string()),
        "version": status.version,
        "head_version": status.head_version,
        "lag": status.lag,
        "confirmation_age": seconds(status.confirmation_age),
        "mode": word(status.mode().as_str_name(), "CACHE_MODE_"),
        "near": status.near.map(near),
        "shared": status.shared.map(shared),
        "database": status.database.map(database),
        "hit_ratio": status.hit_ratio,
        "hit_ratio_1m": status.hit_ratio_1m,
        "hit_ratio_5m": status.hit_ratio_5m,
        "hit_ratio_15m": status.hit_ratio_15m,
        "hit_latency": status.hit_latency.map(latency),
        "load_latency": status.load_latency.map(latency),
        "hit_latency_1m": status.hit_latency_1m.map(latency),
        "load_latency_1m": status.load_latency_1m.map(latency),
        "stale_answers": status.stale_answers,
        "audit_checked": status.audit_checked,
        "audit_violations": status.audit_violations,
        "last_error": status.last_error,
    })
}

fn near(near: NearCacheStatus) -> Value {
    json!({
        "entries": near.entries,
        "bytes": near.bytes,
        "capacity_bytes": near.capacity_bytes,
        "hits": near.hits,
        "misses_absent": near.misses_absent,
        "misses_expired": near.misses_expired,
        "misses_changed": near.misses_changed,
        "misses_unconfirmed": near.misses_unconfirmed,
        "evictions": near.evictions,
        "early_refreshes": near.early_refreshes,
    })
}

fn shared(shared: SharedCacheStatus) -> Value {
    json!({
        "available": shared.available,
        "hits": shared.hits,
        "misses": shared.misses,
        "errors": shared.errors,
        "leases": shared.leases,
        "lease_waits": shared.lease_waits,
        "ping": seconds(shared.ping),
        "used_memory_bytes": shared.used_memory_bytes,
        "max_memory_bytes": shared.max_memory_bytes,
    })
}

fn database(database: DatabaseStatus) -> Value {
    json!({
        "available": database.available,
        "reads": database.reads,
        "errors": database.errors,
        "fills_outrun": database.fills_outrun,
        "ping": seconds(database.ping),
        "pool_open": database.pool_open,
        "pool_idle": database.pool_idle,
        "pool_max": database.pool_max,
    })
}

fn latency(latency: LatencyStatus) -> Value {
    json!({
        "count": latency.count,
        "p50": seconds(latency.p50),
        "p95": seconds(latency.p95),
        "p99": seconds(latency.p99),
    })
}

fn seconds(duration: Option<Duration>) -> Option<String> {
    duration.map(|duration| duration.to_string())
}
