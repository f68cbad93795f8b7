//! Listening, serving connections, and leaving without an error. Knows no
//! service: what it serves is handed in.
mod coalescing_io;
mod connection;
mod inline_executor;
mod listen;
mod newest;
mod settings;
mod waits;

pub use connection::Served;
pub use listen::{Admission, Connections, Drained, serve};
pub use newest::Newest;
pub use settings::ServerSettings;
pub use waits::RequestBody;
