//! Listening, serving connections, and leaving without an error. Knows no
//! service: what it serves is handed in.
mod coalescing_io;
mod connection;
mod handshake;
mod handshake_failures;
mod inline_executor;
mod listen;
mod newest;
mod peer;
mod read_pauses;
mod settings;
mod tls;
mod turns;
mod unread;
mod waits;

pub use connection::Served;
pub use handshake_failures::HandshakeFailures;
pub use listen::{Admission, Connections, Drained, Listener, serve};
pub use newest::Newest;
pub use peer::Peer;
pub use settings::{Protocols, ServerSettings};
pub use tls::{ClientCertificates, Tls, TlsError, TlsFile, TlsMaterial};
pub use waits::RequestBody;
