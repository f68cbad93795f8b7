//! What `GET /admin/cache/status` answers. The replaced service's plan names the route and says no more than that it
//! tells how the caches perform.
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::pb::admin::v1 as pb;

/// The caches of the replica that answers. Times are milliseconds, ratios 0 to 1; null is what is not known.
#[derive(Serialize)]
struct Performance<'a> {
    status: &'static str,
    replica: &'a str,
    version: &'a str,
    entries: i64,
    size_bytes: i64,
    capacity_bytes: i64,
    hits: i64,
    misses: i64,
    hit_ratio: Option<f64>,
    hit_ratio_1m: Option<f64>,
    hit_p99_ms: Option<f64>,
    load_p99_ms: Option<f64>,
    redis: Option<Redis>,
    database: Option<Database>,
}

#[derive(Serialize)]
struct Redis {
    available: bool,
    ping_ms: Option<f64>,
    used_memory_bytes: i64,
    max_memory_bytes: i64,
}

#[derive(Serialize)]
struct Database {
    available: bool,
    ping_ms: Option<f64>,
}

/// The status of the replica that comes first, which is the one that answers; `None` for an answer without any.
pub(super) fn status(answer: &pb::GetCacheStatusResponse) -> Option<Bytes> {
    let replica = answer.replicas.first()?;
    let near = replica.near.unwrap_or_default();
    let redis = replica.shared.map(|shared| Redis {
        available: shared.available,
        ping_ms: shared.ping.and_then(milliseconds),
        used_memory_bytes: shared.used_memory_bytes,
        max_memory_bytes: shared.max_memory_bytes,
    });
    let database = replica.database.map(|database| Database {
        available: database.available,
        ping_ms: database.ping.and_then(milliseconds),
    });
    let misses = [
        near.misses_absent,
        near.misses_expired,
        near.misses_changed,
        near.misses_unconfirmed,
    ];
    let performance = Performance {
        status: word(replica.mode()),
        replica: &replica.replica,
        version: &replica.version,
        entries: near.entries,
        size_bytes: near.bytes,
        capacity_bytes: near.capacity_bytes,
        hits: near.hits,
        misses: misses.iter().sum(),
        hit_ratio: replica.hit_ratio,
        hit_ratio_1m: replica.hit_ratio_1m,
        hit_p99_ms: p99(replica.hit_latency.as_ref()),
        load_p99_ms: p99(replica.load_latency.as_ref()),
        redis,
        database,
    };
    serde_json::to_vec(&performance).ok().map(Bytes::from)
}

fn word(mode: pb::CacheMode) -> &'static str {
    match mode {
        pb::CacheMode::Unspecified => "unknown",
        pb::CacheMode::Normal => "normal",
        pb::CacheMode::RedisBypassed => "redis_bypassed",
        pb::CacheMode::DatabaseLost => "database_lost",
    }
}

fn p99(latency: Option<&pb::LatencyStatus>) -> Option<f64> {
    latency?.p99.and_then(milliseconds)
}

/// To the microsecond.
fn milliseconds(duration: prost_types::Duration) -> Option<f64> {
    let duration = Duration::try_from(duration).ok()?;
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    Some(f64::from(micros) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: i32) -> prost_types::Duration {
        prost_types::Duration {
            seconds: 0,
            nanos: millis * 1_000_000,
        }
    }

    #[test]
    fn the_replica_that_answers_is_told() {
        let replica = pb::ReplicaCacheStatus {
            replica: "a".to_owned(),
            version: "0-7".to_owned(),
            mode: pb::CacheMode::Normal.into(),
            near: Some(pb::NearCacheStatus {
                entries: 2,
                bytes: 3,
                capacity_bytes: 4,
                hits: 5,
                misses_absent: 1,
                misses_changed: 2,
                ..Default::default()
            }),
            hit_ratio: Some(0.625),
            hit_latency: Some(pb::LatencyStatus {
                p99: Some(millis(2)),
                ..Default::default()
            }),
            database: Some(pb::DatabaseStatus {
                available: true,
                ping: Some(millis(1)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = pb::GetCacheStatusResponse {
            replicas: vec![replica],
            ..Default::default()
        };
        let expected = r#"{"status":"normal","replica":"a","version":"0-7","entries":2,"size_bytes":3,"capacity_bytes":4,"hits":5,"misses":3,"hit_ratio":0.625,"hit_ratio_1m":null,"hit_p99_ms":2.0,"load_p99_ms":null,"redis":null,"database":{"available":true,"ping_ms":1.0}}"#;
        assert_eq!(status(&answer).unwrap(), expected);
        assert!(status(&pb::GetCacheStatusResponse::default()).is_none());
    }
}
