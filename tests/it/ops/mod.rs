//! What operators see: the pages of `--ops-addr`, their metrics, and the alerts and the dashboard
//! that are made of them.
mod alerts;
mod counting;
mod expressions;
mod fallbacks;
mod metrics_page;
mod outages;
mod pages;
mod promtool;
mod queries;
mod redis_refuses;
mod redis_rights;
pub mod scene;
