//! The command `admin cache status`: calls `GetCacheStatus` and prints one table.
use clap::ArgMatches;
use tonic::transport::Channel;

use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        humanize::{NONE, bytes, percent, time},
        json::json,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{ClientConfig, EnvVars},
    pb::admin::v1::{
        CacheMode, GetCacheStatusRequest, GetCacheStatusResponse, LatencyStatus,
        ReplicaCacheStatus, cache_admin_client::CacheAdminClient,
    },
};

/// Prints the status of the caches, once.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let all = matches.get_flag("all");
    let status = runtime::command()?.block_on(async {
        let mut admin = CacheAdminClient::new(client::connect(&config).await?);
        ask(&config, &mut admin, all).await
    })?;
    show(output, &status, all)?;
    match others_unknown(&status) {
        Some(unknown) => Err(Failure::failed(unknown)),
        None => Ok(()),
    }
}

/// The warning if the status of the other replicas is unknown.
pub(super) fn others_unknown(status: &GetCacheStatusResponse) -> Option<String> {
    let why = clean(&status.others_unknown);
    (!why.is_empty())
        .then(|| format!("the other replicas are unknown, for they report in the database: {why}"))
}

fn show(output: Output, status: &GetCacheStatusResponse, all: bool) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json(status)?);
    }
    match (&status.replicas[..], all) {
        ([one], false) => output.pairs(["FIELD", "VALUE"], fields(output, one)),
        (replicas, _) => output.rows(HEADINGS, replicas.iter().map(|one| row(output, one))),
    }?;
    for name in &status.silent {
        let text = format!("silent\t{}", clean(name));
        output::line(&output.paint(Color::Yellow, &text))?;
    }
    Ok(())
}

/// Asks the server for the status.
pub(super) async fn ask(
    config: &ClientConfig,
    admin: &mut CacheAdminClient<Channel>,
    all: bool,
) -> Result<GetCacheStatusResponse, Failure> {
    let request = GetCacheStatusRequest { all_replicas: all };
    let request = client::request(config, request);
    client::answer(admin.get_cache_status(request).await)
}

/// Of [`row`].
pub(super) const HEADINGS: [&str; 7] = [
    "REPLICA", "HITS 1M", "P99 1M", "LOAD P99", "LAG", "AGE", "MODE",
];

/// One replica among others.
pub(super) fn row(output: Output, status: &ReplicaCacheStatus) -> [String; 7] {
    let hits = measured(status.hit_latency_1m);
    let loads = measured(status.load_latency);
    [
        clean(&status.replica),
        percent(status.hit_ratio_1m),
        time(hits.p99.as_ref()),
        time(loads.p99.as_ref()),
        status.lag.to_string(),
        time(status.confirmation_age.as_ref()),
        mode(output, status),
    ]
}

/// Without a measurement there is no time to show.
pub(super) fn measured(latency: Option<LatencyStatus>) -> LatencyStatus {
    latency
        .filter(|latency| latency.count > 0)
        .unwrap_or_default()
}

/// The mode in words, and in the colour that it deserves.
fn mode(output: Output, status: &ReplicaCacheStatus) -> String {
    let (color, word) = match (status.mode(), &status.shared) {
        _ if status.audit_violations > 0 => (Color::Red, "audit violation"),
        (CacheMode::Normal, _) => (Color::Green, "normal"),
        // Nobody asked for one.
        (CacheMode::RedisBypassed, None) => (Color::Green, "without redis"),
        (CacheMode::RedisBypassed, Some(_)) => (Color::Yellow, "redis bypassed"),
        (CacheMode::DatabaseLost, _) => (Color::Red, "database lost"),
        (CacheMode::Unspecified, _) => (Color::Yellow, "unknown"),
    };
    output.paint(color, word)
}

/// Everything about one replica.
fn fields(output: Output, status: &ReplicaCacheStatus) -> Vec<(&'static str, String)> {
    let confirmed = format!("{} ago", time(status.confirmation_age.as_ref()));
    let mut rows = vec![
        ("replica", clean(&status.replica)),
        ("mode", mode(output, status)),
        ("version", clean(&status.version)),
        ("lag", format!("{} commits", status.lag)),
        ("confirmed", confirmed),
    ];
    rows.extend(traffic(status));
    rows.extend(stores(status));
    if !status.last_error.is_empty() {
        rows.push(("last error", clean(&status.last_error)));
    }
    rows
}

/// What was asked, and how long it took.
fn traffic(status: &ReplicaCacheStatus) -> [(&'static str, String); 7] {
    let ratios = [
        status.hit_ratio_1m,
        status.hit_ratio_5m,
        status.hit_ratio_15m,
        status.hit_ratio,
    ];
    let latency = |latency: Option<LatencyStatus>| {
        let of = measured(latency);
        let (p50, p99) = (time(of.p50.as_ref()), time(of.p99.as_ref()));
        format!("{p50} and {p99} of {}", of.count)
    };
    let audit = format!(
        "{} checked, {} wrong",
        status.audit_checked, status.audit_violations
    );
    [
        ("hits 1m, 5m, 15m, all", ratios.map(percent).join(", ")),
        ("hits p50, p99 in 1m", latency(status.hit_latency_1m)),
        ("hits p50, p99", latency(status.hit_latency)),
        ("loads p50, p99 in 1m", latency(status.load_latency_1m)),
        ("loads p50, p99", latency(status.load_latency)),
        ("stale answers", status.stale_answers.to_string()),
        ("audit", audit),
    ]
}

/// Where answers come from.
fn stores(status: &ReplicaCacheStatus) -> [(&'static str, String); 4] {
    let near = status.near.unwrap_or_default();
    let held = format!(
        "{} entries, {} of {}, {} evicted",
        near.entries,
        bytes(near.bytes),
        bytes(near.capacity_bytes),
        near.evictions
    );
    let misses = format!(
        "{} absent, {} expired, {} changed, {} unconfirmed",
        near.misses_absent, near.misses_expired, near.misses_changed, near.misses_unconfirmed
    );
    let database = status.database.unwrap_or_default();
    let asked = format!(
        "ping {}, {} of {} connections, {} reads, {} failed",
        time(database.ping.as_ref()),
        database.pool_open,
        database.pool_max,
        database.reads,
        database.errors
    );
    [
        ("near cache", held),
        ("near misses", misses),
        ("redis", redis(status)),
        ("database", asked),
    ]
}

fn redis(status: &ReplicaCacheStatus) -> String {
    let Some(shared) = &status.shared else {
        return NONE.to_owned();
    };
    let most = match shared.max_memory_bytes {
        0 => String::new(),
        most => format!(" of {}", bytes(most)),
    };
    format!(
        "ping {}, {}{most} used, {} hits, {} misses, {} failed",
        time(shared.ping.as_ref()),
        bytes(shared.used_memory_bytes),
        shared.hits,
        shared.misses,
        shared.errors
    )
}
