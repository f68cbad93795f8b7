//! The status of the caches as a message, for callers and for the registry of replicas.
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::convert::{duration, same_variants, timestamp};
use crate::{
    domain::{CacheMode, CacheStatus, Latency},
    pb::admin::v1 as pb,
};

same_variants! {
    CacheMode => pb::CacheMode { Normal, RedisBypassed, DatabaseLost }
}

/// The status as replicas leave it in the registry for each other.
#[must_use]
pub fn encode_status(replica: &str, status: &CacheStatus) -> Bytes {
    message(replica, status).encode_to_vec().into()
}

/// A status that another replica left; `None` when it cannot be read.
pub(super) fn decode_status(bytes: &[u8]) -> Option<pb::ReplicaCacheStatus> {
    pb::ReplicaCacheStatus::decode(bytes).ok()
}

/// The status of the replica that is called `replica`. How far it is behind
/// is for those to say who know all replicas.
pub(super) fn message(replica: &str, status: &CacheStatus) -> pb::ReplicaCacheStatus {
    pb::ReplicaCacheStatus {
        replica: replica.to_owned(),
        time: Some(timestamp(status.at)),
        start_time: Some(timestamp(status.started_at)),
        version: status.version.to_string(),
        head_version: status.version.to_string(),
        lag: 0,
        confirmation_age: status.confirmation_age.map(duration),
        mode: pb::CacheMode::from(status.mode).into(),
        near: Some(near(status)),
        shared: shared(status),
        database: Some(database(status)),
        hit_ratio: status.hit_ratio.since_start,
        hit_ratio_1m: status.hit_ratio.last_1m,
        hit_ratio_5m: status.hit_ratio.last_5m,
        hit_ratio_15m: status.hit_ratio.last_15m,
        hit_latency: Some(latency(&status.hit_latency)),
        load_latency: Some(latency(&status.load_latency)),
        hit_latency_1m: Some(latency(&status.hit_latency_1m)),
        load_latency_1m: Some(latency(&status.load_latency_1m)),
        stale_answers: count(status.stale_answers),
        audit_checked: count(status.audit_checked),
        audit_violations: count(status.audit_violations),
        last_error: status.last_error.clone(),
    }
}

fn near(status: &CacheStatus) -> pb::NearCacheStatus {
    let near = &status.near;
    pb::NearCacheStatus {
        entries: count(near.entries),
        bytes: count(near.bytes),
        capacity_bytes: count(near.capacity_bytes),
        hits: count(near.hits),
        misses_absent: count(near.misses_absent),
        misses_expired: count(near.misses_expired),
        misses_changed: count(near.misses_changed),
        misses_unconfirmed: count(near.misses_unconfirmed),
        evictions: count(near.evictions),
        early_refreshes: count(near.early_refreshes),
    }
}

fn shared(status: &CacheStatus) -> Option<pb::SharedCacheStatus> {
    status.shared.as_ref().map(|shared| pb::SharedCacheStatus {
        available: shared.available,
        hits: count(shared.hits),
        misses: count(shared.misses),
        errors: count(shared.errors),
        leases: count(shared.leases),
        lease_waits: count(shared.lease_waits),
        ping: shared.ping.map(duration),
        used_memory_bytes: count(shared.used_memory_bytes),
        max_memory_bytes: count(shared.max_memory_bytes),
    })
}

fn database(status: &CacheStatus) -> pb::DatabaseStatus {
    let database = &status.database;
    let connections = |count| i32::try_from(count).unwrap_or(i32::MAX);
    pb::DatabaseStatus {
        available: database.available,
        reads: count(database.reads),
        errors: count(database.errors),
        fills_outrun: count(database.fills_superseded),
        ping: database.ping.map(duration),
        pool_open: connections(database.pool_open),
        pool_idle: connections(database.pool_idle),
        pool_max: connections(database.pool_max),
    }
}

fn latency(latency: &Latency) -> pb::LatencyStatus {
    // Nothing was measured: no figure is better than a zero.
    let measured = |took: Duration| (latency.count > 0).then(|| duration(took));
    pb::LatencyStatus {
        count: count(latency.count),
        p50: measured(latency.p50),
        p95: measured(latency.p95),
        p99: measured(latency.p99),
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
