//! Throw-away Redis: a server, or a cluster, for each test.
mod cluster;
mod server;

pub use cluster::cluster;
pub use server::Redis;
pub use server::start;
