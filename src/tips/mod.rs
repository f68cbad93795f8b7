//! Tips as they are written: one generation, many readers.
//!
//! A generation belongs to the replica and not to a request. Its text is in one log, and
//! every reader has a cursor there; on other replicas one follower fills the same kind of log
//! from Redis. Before the first byte of text is published everything may be tried again unseen;
//! after it readers get a reset event. Whatever fails, every reader gets a tip.
//!
//! Read first `service` (opens streams), then `generation_task` (fills a log: leads, follows or takes over),
//! `generation` (attempts with providers) and `attempt` (admission and cost of one request).
mod attempt;
#[cfg(test)]
mod attempt_tests;
mod breaker;
mod budget;
mod callers;
mod cluster;
mod follower;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod generation;
mod generation_task;
mod hash;
mod health_check;
mod late_writer;
mod late_writes;
mod ledger;
mod limiter;
#[cfg(test)]
mod limiter_tests;
mod log;
mod metrics;
mod policy;
mod provider;
mod providers;
mod publisher;
mod reader;
#[cfg(test)]
mod reader_tests;
mod request;
mod retry_policy;
mod service;
mod settings;
mod stats;
mod tiers;
mod tip_redis;

pub use service::{TipParts, TipService};
pub use settings::{
    Abandoned, CallerLimits, Price, ProviderQuota, ProviderSpec, TipLimits, TipSettings,
};
pub use stats::TipStats;
pub use tip_redis::TipRedis;
