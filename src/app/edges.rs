//! Builds the edge caches that are configured.
use std::{sync::Arc, time::Duration};

use super::error::Error;
use crate::{
    config::{Config, EdgeKind, EdgePurgeOn, EdgesConfig, ProviderUrl},
    domain::{CommitWatcher, EdgeCache, EdgePurger},
    edges::{EdgeCaches, HttpEdge, PurgeService, cloudflare, fastly, varnish},
};

const FASTLY_API: &str = "https://api.fastly.com";
const CLOUDFLARE_API: &str = "https://api.cloudflare.com/client/v4";
/// Clocks of two machines may run apart by a hundredth, and a reply takes a moment.
const SETTLE_MARGIN: Duration = Duration::from_millis(50);

/// The edge caches, or none.
pub(super) struct Edges {
    pub(super) caches: Option<Arc<EdgeCaches>>,
    purge_on: EdgePurgeOn,
}

impl Edges {
    /// Builds the clients of all edges without connecting them.
    pub(super) fn build(config: &Config) -> Result<Self, Error> {
        let edges = edges(&config.edges)?;
        let edges: Vec<_> = edges
            .into_iter()
            .map(|edge| Arc::new(edge) as Arc<dyn EdgeCache>)
            .collect();
        // No answer of a replica that has not seen a commit is fresh any more by then.
        let settled_after = config.cache.max_staleness.mul_f64(1.01) + SETTLE_MARGIN;
        let caches = (!edges.is_empty()).then(|| Arc::new(EdgeCaches::new(edges, settled_after)));
        Ok(Self {
            caches,
            purge_on: config.edges.purge_on,
        })
    }

    /// For invalidations.
    pub(super) fn purger(&self) -> Option<Arc<dyn EdgePurger>> {
        self.caches.clone().map(|caches| caches as _)
    }

    /// For commits, where edges are purged on them.
    pub(super) fn commit_watcher(&self) -> Option<Arc<dyn CommitWatcher>> {
        match self.purge_on {
            EdgePurgeOn::Invalidations => None,
            EdgePurgeOn::Commits => self.caches.clone().map(|caches| caches as _),
        }
    }
}

fn edges(config: &EdgesConfig) -> Result<Vec<HttpEdge>, Error> {
    let edges = match config.kind {
        EdgeKind::None => Ok(Vec::new()),
        EdgeKind::Varnish => {
            let instances = config.purge_urls.iter().enumerate();
            let instances = instances.map(|(at, instance)| {
                // One is for all.
                let asked = config.urls.get(at).or(config.urls.first());
                varnish(instance.url().clone(), asked.map(|url| url.url().clone()))
            });
            instances.collect()
        }
        EdgeKind::Fastly => fastly(service(config, FASTLY_API)?).map(|edge| vec![edge]),
        EdgeKind::Cloudflare => cloudflare(service(config, CLOUDFLARE_API)?).map(|edge| vec![edge]),
    };
    edges.map_err(|error| format!("edge caches cannot be purged: {error}").into())
}

fn service(config: &EdgesConfig, own_api: &str) -> Result<PurgeService, Error> {
    let api_url = match config.purge_urls.first() {
        Some(url) => url.url().clone(),
        None => ProviderUrl::parse(own_api)?.url().clone(),
    };
    // The settings are checked together, so both are there.
    let missing = || Error::from("an edge service needs its id and a token");
    Ok(PurgeService {
        api_url,
        id: config.service.clone().ok_or_else(missing)?,
        token: config.token.clone().ok_or_else(missing)?,
        asked: config.urls.iter().map(|url| url.url().clone()).collect(),
    })
}
