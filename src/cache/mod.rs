//! The read-through cache: near (in this process), then shared (Redis), then
//! the database, once for all who wait.
//!
//! Every entry carries the commit it was read at, and is checked against the
//! changes known here each time it is used. So a message that is lost, a fill
//! that comes late, or a Redis that forgets or remembers too much costs a
//! miss and never an old answer. Nothing here knows protobuf or SQL.
mod audit;
mod catalog;
mod database;
mod entry;
#[cfg(feature = "negative-controls")]
#[path = "../../tests/checker/faults/replica.rs"]
pub mod faults;
mod feed;
#[doc(hidden)]
pub mod fuzzing;
mod generations;
mod invalidation;
mod loader;
mod lookup;
mod metrics;
mod near;
mod poll_schedule;
mod read_queue;
mod shared;
mod single_flight;
mod staleness;
mod stats;
mod status;
mod tag_versions;
#[cfg(test)]
mod tests;

pub use audit::Auditor;
pub use catalog::CachedCatalog;
pub use feed::FeedTask;
pub use invalidation::InvalidationState;
pub use loader::CacheSettings;
pub use shared::{SharedCache, SharedSettings};
pub use stats::{CacheStats, MissReason};
pub use status::{CacheStatusReporter, ReplicaHeartbeat};
