//! What operators see of this replica, put together.
use std::sync::Arc;

use super::{compose::App, samples::Samples};
use crate::{
    cache::{CachedCatalog, SharedCache},
    config::{Loaded, in_force},
    domain::PoolState,
    flags::FlagSnapshot,
    ops::{Check, Pages},
    redis,
    repository::Datastore,
    server::Connections,
    service::HistoryMetrics,
    telemetry::{LogQueue, Page, process_figures},
    tips::TipService,
    transport::{Health, RpcStats},
};

/// All that has figures.
struct Figures {
    rpc: Arc<RpcStats>,
    connections: Arc<Connections>,
    catalog: Arc<CachedCatalog>,
    shared: Option<Arc<SharedCache>>,
    board: Arc<TipService>,
    flags: Arc<FlagSnapshot>,
    datastore: Arc<dyn Datastore>,
    health: Health,
    samples: Arc<Samples>,
    history: Arc<HistoryMetrics>,
    log: LogQueue,
}

impl App {
    /// The pages for operators of this replica, which serves with the settings `loaded`.
    pub(super) fn pages(
        &self,
        loaded: &Loaded,
        connections: &Arc<Connections>,
        log: LogQueue,
    ) -> Pages {
        let figures = Figures {
            rpc: Arc::clone(self.edge.stats()),
            connections: Arc::clone(connections),
            catalog: Arc::clone(&self.catalog),
            shared: self.shared.clone(),
            board: Arc::clone(&self.board),
            flags: Arc::clone(&self.flags),
            datastore: Arc::clone(&self.datastore),
            health: self.health.clone(),
            samples: Arc::clone(&self.samples),
            history: Arc::clone(&self.history),
            log,
        };
        let health = self.health.clone();
        let checks = move || {
            let said = health.said().into_iter();
            let named = said.filter(|(name, _)| !name.is_empty());
            named.map(|(name, passes)| Check { name, passes }).collect()
        };
        Pages {
            metrics: Box::new(move || figures.page()),
            checks: Box::new(checks),
            settings: format!("{:#}\n", in_force(loaded)).into(),
        }
    }
}

impl Figures {
    /// Every figure. Each room writes its own: one that has new figures adds its line here, and
    /// a row to `docs/metrics.md`.
    fn page(&self) -> String {
        let mut page = Page::default();
        self.replica(&mut page);
        self.rpc.collect(&mut page);
        self.connections.collect(&mut page);
        self.catalog.collect(&mut page);
        pool(self.datastore.pool(), &mut page);
        self.links(&mut page);
        self.samples.collect(&mut page);
        self.history.collect(&mut page);
        self.board.collect(&mut page);
        self.flags.collect(&mut page);
        self.log.collect(&mut page);
        process_figures(&mut page);
        page.into_text()
    }

    fn replica(&self, page: &mut Page) {
        page.gauge("catalog_build_info", "Which build this is; always 1.")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u8);
        let mut health = page.gauge(
            "catalog_health",
            "What grpc.health.v1 says of each name: 1 for SERVING.",
        );
        for (name, serves) in self.health.said() {
            health.sample(&[("name", &name)], u8::from(serves));
        }
    }

    fn links(&self, page: &mut Page) {
        let cache = self.shared.as_ref().map(|shared| ("cache", shared.link()));
        let tips = self.board.link().map(|link| ("tips", link));
        let links: Vec<_> = cache.into_iter().chain(tips).collect();
        if !links.is_empty() {
            redis::collect(&links, page);
        }
    }
}

fn pool(pool: PoolState, page: &mut Page) {
    page.gauge(
        "catalog_database_pool_connections",
        "Connections for reads that are open, by whether one is in use.",
    )
    .sample(&[("state", "idle")], pool.idle)
    .sample(&[("state", "used")], pool.open.saturating_sub(pool.idle));
    page.gauge(
        "catalog_database_pool_max_connections",
        "Connections for reads that may be open.",
    )
    .sample(&[], pool.max);
}
