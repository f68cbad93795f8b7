//! Throw-away Redis: a server, or a cluster, for each test.
mod cluster;
mod sentinel;
mod server;

pub use cluster::cluster;
pub use sentinel::{SERVICE, Sentinel};
pub use server::{Redis, start, start_with};
