//! How this process reaches Redis, one server or a cluster alike: few connections that carry the
//! commands of many tasks, scripts, and messages. What the commands mean is for others to know.
mod acl;
mod breaker;
mod errors;
mod figures;
mod gate;
mod link;
mod listener;
mod mac;
mod pool;
mod script;
mod servers;
mod slots;
mod strangers;

pub use acl::acl_rules;
pub use figures::collect;
pub use link::{Link, LinkSettings, LinkState};
pub use listener::{Channel, Listener};
pub use mac::MacKey;
pub use script::{Script, first_word};
pub use servers::{NodeSource, RedisNodes, RedisServers};
pub use slots::Part;
