//! Several servers of one database: the one that takes writes is used, and a standby is never believed.
mod following;
pub mod scene;
mod starting;
mod turning;
