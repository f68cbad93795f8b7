//! The operator pages of this replica: metrics, health checks, effective settings.
use std::sync::Arc;

use super::compose::App;
use crate::{
    config::{Loaded, in_force},
    domain::PoolState,
    ops::{Check, Pages},
    redis,
    telemetry::{LogQueue, Page, process_metrics},
};

/// The operator pages of `app`, which serves with the settings `loaded`.
pub(super) fn pages(app: &Arc<App>, loaded: &Loaded, log: LogQueue) -> Pages {
    let health = app.health.clone();
    let checks = move || {
        let statuses = health.statuses().into_iter();
        let named = statuses.filter(|(name, _)| !name.is_empty());
        named.map(|(name, passes)| Check { name, passes }).collect()
    };
    let app = Arc::clone(app);
    Pages {
        metrics: Box::new(move || metrics(&app, &log)),
        checks: Box::new(checks),
        settings: format!("{:#}\n", in_force(loaded)).into(),
    }
}

/// The metrics page. Each module writes its own metrics: a module with new ones adds its line here, and
/// a row to `docs/metrics.md`.
fn metrics(app: &App, log: &LogQueue) -> String {
    let mut page = Page::default();
    replica(app, &mut page);
    app.edge.stats().collect(&mut page);
    if let Some(http) = &app.http {
        http.collect(&mut page);
    }
    app.connections.collect(&mut page);
    app.access.collect(&mut page);
    app.catalog.collect(&mut page);
    pool(app.datastore.pool(), &mut page);
    redis_clients(app, &mut page);
    app.probe.collect(&mut page);
    app.history.collect(&mut page);
    app.tip_service.collect(&mut page);
    app.flags.collect(&mut page);
    log.collect(&mut page);
    process_metrics(&mut page);
    page.into_text()
}

fn replica(app: &App, page: &mut Page) {
    page.gauge("catalog_build_info", "The build's version; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u8);
    let mut health = page.gauge(
        "catalog_health",
        "The status of each grpc.health.v1 name: 1 for SERVING.",
    );
    for (name, serves) in app.health.statuses() {
        health.sample(&[("name", &name)], u8::from(serves));
    }
}

fn redis_clients(app: &App, page: &mut Page) {
    let cache = app
        .shared
        .as_ref()
        .map(|shared| ("cache", shared.redis_state()));
    let tips = app.tip_service.redis_state().map(|state| ("tips", state));
    let clients: Vec<_> = cache.into_iter().chain(tips).collect();
    if !clients.is_empty() {
        redis::collect(&clients, page);
    }
}

fn pool(pool: PoolState, page: &mut Page) {
    page.gauge(
        "catalog_database_pool_connections",
        "Open database connections for reads, by whether they are in use.",
    )
    .sample(&[("state", "idle")], pool.idle)
    .sample(&[("state", "used")], pool.open.saturating_sub(pool.idle));
    page.gauge(
        "catalog_database_pool_max_connections",
        "The most database connections for reads that may be open.",
    )
    .sample(&[], pool.max);
}
