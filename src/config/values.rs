use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{ControlsConfig, DatabaseUrl, ProvidersConfig, RedisUrl, TipsConfig};

/// Every value in force, checked. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// The system of record.
    pub database: DatabaseConfig,
    /// The cache that replicas share.
    pub redis: RedisConfig,
    /// What is remembered, and for how long.
    pub cache: CacheConfig,
    /// Who writes tips.
    pub providers: ProvidersConfig,
    /// How tips are made, kept and limited.
    pub tips: TipsConfig,
    /// What holds where operators decided nothing anew.
    pub controls: ControlsConfig,
    /// The listener and its limits.
    pub server: ServerConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// The system of record.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Where it is.
    pub url: DatabaseUrl,
    /// The file that holds this, when it was given as one.
    pub url_file: Option<PathBuf>,
    /// Connections kept open; at most `pool_max`.
    pub pool_min: u32,
    /// Connections at most; 2 or more.
    pub pool_max: u32,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Whether `serve` migrates by itself. Always true for SQLite.
    pub auto_migrate: bool,
    /// How long revisions are kept, a day or more; absent for ever.
    pub history_retention: Option<Duration>,
}

/// The cache that replicas share.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Where it is; absent when replicas share none.
    pub url: Option<RedisUrl>,
    /// The file that holds this, when it was given as one.
    pub url_file: Option<PathBuf>,
    /// A file with the certificates of the authorities that it must be certified by, in PEM; absent for
    /// those that the machine trusts.
    pub tls_ca: Option<PathBuf>,
    /// How long one command may take.
    pub timeout: Duration,
    /// How many connections; 1 to 32.
    pub pool: u32,
}

/// What is remembered, and for how long.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// How long an unchanged answer stays; 1 second or more.
    pub ttl: Duration,
    /// How much memory the near cache may take.
    pub near_bytes: u64,
    /// How old an answer may be that is not marked stale.
    pub max_staleness: Duration,
    /// How often the database is asked for changes; less than half of `max_staleness`.
    pub feed_poll_interval: Duration,
    /// How long an outdated answer is kept for outages; may be zero.
    pub stale_retention: Duration,
    /// How many answers are read from the database at once; 1 or more.
    pub fill_concurrency: usize,
    /// How often a cached answer is compared with the database; zero for never.
    pub audit_interval: Duration,
}

/// The listener and its limits.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where gRPC is served. Others can reach it only if `insecure` says so.
    pub grpc_addr: SocketAddr,
    /// Whether plain text without credentials is fine on any address.
    pub insecure: bool,
    /// Where the pages for operators are served, if they are; never where gRPC is.
    pub ops_addr: Option<SocketAddr>,
    /// Where the bound address is written once the server answers.
    pub port_file: Option<PathBuf>,
    /// How long a call may take that brings no deadline; 30 seconds at most.
    pub request_timeout: Duration,
    /// How long a stream may last at most.
    pub stream_timeout: Duration,
    /// How large a request may be.
    pub max_message_bytes: usize,
    /// How many calls run at once; 1 or more.
    pub max_calls: usize,
    /// How many streams run at once; 1 or more.
    pub max_streams: usize,
    /// How many connections are open at once; 1 or more.
    pub max_connections: usize,
    /// How long a stopping server says `NOT_SERVING` and still takes calls; may be zero.
    pub shutdown_delay: Duration,
    /// How long running calls may take to end; may be zero.
    pub shutdown_grace: Duration,
    /// When a connection is asked to end.
    pub connection_age: Duration,
    /// How long calls on an old connection may take to end.
    pub connection_age_grace: Duration,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A filter that `tracing_subscriber::EnvFilter` was seen to accept.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
