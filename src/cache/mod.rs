//! The read-through cache: near (in this process), then shared (Redis), then
//! the database, once for all who wait.
//!
//! Every entry carries the commit it was read at, and is checked against the
//! changes known here each time it is used. So a message that is lost, a fill
//! that comes late, or a Redis that forgets or remembers too much costs a
//! miss and never an old answer. Nothing here knows protobuf or SQL.
mod absent;
mod at_hand;
mod audit;
#[cfg(test)]
mod audit_tests;
mod catalog;
mod entry;
mod errand;
#[cfg(test)]
mod failover_tests;
mod fault;
mod feed;
mod figures;
mod flight;
mod heartbeat;
mod inspector;
mod key;
mod knowledge;
mod latency;
mod load_health;
mod loader;
mod near;
mod news;
mod pace;
mod packed;
mod reading;
mod serving;
#[cfg(test)]
mod serving_tests;
mod shared;
mod sharing;
mod stats;
#[cfg(test)]
mod subject_tests;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod window;

pub use audit::Audit;
pub use catalog::{CacheSettings, CachedCatalog};
pub use feed::FeedTask;
pub use heartbeat::ReplicaHeartbeat;
pub use inspector::Inspector;
pub use knowledge::Knowledge;
pub use shared::{SharedCache, SharedSettings};
pub use stats::{CacheStats, MissReason};
