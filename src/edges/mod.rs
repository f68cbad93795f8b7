//! Edge caches in front of the HTTP interface: Varnish, Fastly and Cloudflare are purged by the tags of what has changed, and
//! asked whether they show it.
//!
//! `EdgeCaches` has a worker for each edge, whose queue is bounded: what is asked for while a purge is under way goes
//! together, and what failed is tried again until it succeeds. So nobody who asks for a purge waits for an edge, but for
//! a receipt, and an edge that was away is purged when it is back. Each purge is repeated once, when no replica can
//! answer from before the commit any more: an edge may have fetched such an answer after the first one.
//! To read first: `caches`, then `worker`, then `http_edge`.
mod caches;
mod client;
mod cloudflare;
mod fastly;
mod http_edge;
mod metrics;
mod probe;
mod purge_queue;
mod purge_set;
mod retry_after;
mod varnish;
mod worker;

#[cfg(test)]
mod tests;

pub use caches::EdgeCaches;
pub use client::{Proxies, SetupError};
pub use cloudflare::cloudflare;
pub use fastly::fastly;
pub use http_edge::{HttpEdge, PurgeService};
pub use varnish::varnish;
