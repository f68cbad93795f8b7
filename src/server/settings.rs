//! The bounds that a listener and its connections keep.
use std::time::Duration;

/// Bounds of listening and leaving.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// More connections are only for probes, and to tell others that there is no room.
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
    /// So long may its calls go on then.
    pub max_connection_age_grace: Duration,
    /// A caller that takes nothing of what it was answered for so long has its call ended.
    pub stall_timeout: Duration,
    /// On shutdown: what is under way may take so long to finish.
    pub shutdown_grace: Duration,
}
