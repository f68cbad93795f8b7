//! Several servers of one database: the one that takes writes is used, and a standby is never believed.
mod failover;
pub mod fixtures;
mod read_only;
mod starting;
