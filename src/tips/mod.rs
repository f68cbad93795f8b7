//! Tips as they are written: one generation, many readers.
//!
//! A generation belongs to the replica and not to a request. Its text stands in one log, and
//! every reader has a cursor there; on other replicas one follower fills the same kind of log
//! from Redis. Before the first byte of text is published everything may be tried again unseen;
//! after it readers are told to forget what they have. Whatever fails, they end with a tip.
mod attempt;
#[cfg(test)]
mod attempt_tests;
mod breaker;
mod budget;
mod callers;
mod cluster;
mod context;
mod cursor;
#[cfg(test)]
mod cursor_tests;
mod follower;
mod frame;
mod generation;
mod generation_request;
mod generation_task;
mod key;
mod lease_guard;
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
mod redis_keys;
mod rehearsal;
mod retry_policy;
mod sealed_entries;
mod service;
mod settings;
mod stats;
mod tip_cache;
mod tip_redis;

pub use service::{TipParts, TipService};
pub use settings::{
    Abandoned, CallerLimits, Price, ProviderQuota, ProviderSpec, TipLimits, TipSettings,
};
pub use stats::TipStats;
pub use tip_redis::TipRedis;
