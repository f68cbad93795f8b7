//! Tips as they are written: one generation, many readers.
//!
//! A generation belongs to the replica and not to a request. Its text stands in one log, and
//! every reader has a cursor there; on other replicas one follower fills the same kind of log
//! from Redis. Before the first byte of text is published everything may be tried again unseen;
//! after it readers are told to forget what they have. Whatever fails, they end with a tip.
mod attempt;
mod board;
mod breaker;
mod budget;
mod callers;
mod cursor;
#[cfg(test)]
mod cursor_tests;
mod desk;
mod duty;
mod entries;
mod fanout;
mod fence;
mod figures;
mod follower;
mod frame;
mod generation;
mod keep_time;
mod key;
mod ledger;
mod limiter;
mod log;
mod memory;
mod order;
mod plan;
mod provider_figures;
mod providers;
mod publisher;
mod reader;
mod refused;
mod rehearsal;
mod retries;
mod rules;
mod settings;
mod showing;
mod stats;
mod supplier;
mod tip_redis;

pub use board::{Board, TipParts};
pub use settings::{
    Abandoned, CallerLimits, Price, Provider, ProviderQuota, TipLimits, TipSettings,
};
pub use stats::TipStats;
pub use tip_redis::TipRedis;
