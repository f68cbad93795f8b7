//! Listening, serving connections, and leaving without an error. Knows no
//! service: what it serves is handed in.
mod connection;
mod eager;
mod gather;
mod listen;

pub use connection::Served;
pub use listen::{Connections, Drained, ServerSettings, serve};
