//! The bounds that a listener and its connections keep.
use std::time::Duration;

/// The protocols that a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 alone, as gRPC needs it.
    Http2,
    /// HTTP/1.1 and HTTP/2, whichever a client begins with.
    Http1And2,
}

/// Bounds of listening and leaving.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Connections beyond this number serve health checks, and refuse other calls.
    pub max_connections: usize,
    /// A connection must speak within this time.
    pub handshake_timeout: Duration,
    /// Between pings to a connection on which nothing came.
    pub keepalive_interval: Duration,
    /// A ping must be answered within this time.
    pub keepalive_timeout: Duration,
    /// A connection this old, a tenth more or less, is asked to come anew, so
    /// that clients find new replicas.
    pub max_connection_age: Duration,
    /// How long its calls may go on after that.
    pub max_connection_age_grace: Duration,
    /// If a client reads nothing of its response for this long, the call is cancelled.
    pub stall_timeout: Duration,
    /// How long calls may take to finish at shutdown.
    pub shutdown_grace: Duration,
}
