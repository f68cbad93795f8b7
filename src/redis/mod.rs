//! How this process reaches Redis, one server or a cluster alike: few connections that carry the
//! commands of many tasks, scripts, and messages. What the commands mean is for their callers to know.
mod acl;
mod breaker;
mod breaker_set;
mod client;
mod errors;
mod foreign_entries;
mod listener;
mod mac;
mod metrics;
mod pool;
mod script;
mod servers;
mod slots;
mod tls;

pub use acl::acl_rules;
pub use client::{RedisClient, RedisClientSettings, RedisClientState};
pub use listener::{Channel, Listener};
pub use mac::MacKey;
pub use metrics::collect;
pub use script::{Script, first_word};
pub use servers::{LoginSource, RedisLogin, RedisNodes, RedisServers};
pub use slots::SlotRange;
pub use tls::{ClientIdentity, RedisTls};
