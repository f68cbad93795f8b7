//! Where Redis is, and how the first step to it is taken: one server, one that sentinels name, or a cluster.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bb8_redis::redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult,
    TlsCertificates, TlsMode,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::{ExposeSecret, SecretString};

/// Where Redis is, and whom it must be certified by. A clone is another hand on the same.
#[derive(Clone, Debug)]
pub struct RedisServers(Arc<ServerList>);

#[derive(Debug)]
struct ServerList {
    nodes: Mutex<RedisNodes>,
    tls_ca: Option<Vec<u8>>,
    source: Option<NodeSource>,
}

/// Gives the servers as they are written down by now; `None` when they cannot be read.
#[derive(Clone)]
pub struct NodeSource(pub Arc<dyn Fn() -> Option<RedisNodes> + Send + Sync>);

impl fmt::Debug for NodeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSource")
    }
}

/// Where Redis is; each URL is `redis://` or `rediss://` (TLS) with its credentials.
#[derive(Clone, Debug)]
pub enum RedisNodes {
    /// One server.
    Single(SecretString),
    /// Some nodes of a cluster; they name the others.
    Cluster(Vec<SecretString>),
    /// Sentinels, which name the primary.
    Sentinel {
        /// Some of them, with the credentials that they take. Never empty.
        sentinels: Vec<SecretString>,
        /// What they call the primary and its replicas.
        service: String,
        /// What those take: scheme, credentials and database. The host is no matter.
        server: SecretString,
    },
}

impl From<RedisNodes> for RedisServers {
    fn from(nodes: RedisNodes) -> Self {
        Self::new(nodes, None, None)
    }
}

/// Names, sentinels, handshakes and certificates take their time.
const CONNECT: Duration = Duration::from_secs(1);

/// A way to one server.
#[derive(Clone)]
pub(super) enum Primary {
    At(Box<Client>),
    NamedBySentinels(Arc<tokio::sync::Mutex<Sentinels>>),
}

/// Sentinels, and whom they named last.
pub(super) struct Sentinels {
    client: SentinelClient,
    named: Option<Client>,
}

impl Sentinels {
    /// The primary. Where no sentinel answers it is the one that they named last: if it was demoted since, it says so.
    async fn primary(&mut self) -> RedisResult<Client> {
        match (self.client.async_get_client().await, &self.named) {
            (Ok(client), _) => {
                self.named = Some(client.clone());
                Ok(client)
            }
            (Err(error), Some(named)) if error.is_io_error() => Ok(named.clone()),
            (Err(error), _) => Err(error),
        }
    }
}

impl Primary {
    /// Whom to connect to now.
    pub(super) async fn client(&self) -> RedisResult<Client> {
        match self {
            Self::At(client) => Ok(client.as_ref().clone()),
            Self::NamedBySentinels(sentinels) => sentinels.lock().await.primary().await,
        }
    }
}

/// The way to whatever the servers are.
pub(super) enum Topology {
    Primary(Primary),
    Cluster(Box<ClusterClientBuilder>),
}

impl RedisServers {
    /// `tls_ca` are the certificates of the authorities that are trusted, in PEM; `None` for those of the machine.
    /// `source` is read again when a log-in is refused.
    #[must_use]
    pub fn new(nodes: RedisNodes, tls_ca: Option<Vec<u8>>, source: Option<NodeSource>) -> Self {
        Self(Arc::new(ServerList {
            nodes: Mutex::new(nodes),
            tls_ca,
            source,
        }))
    }

    fn nodes(&self) -> RedisNodes {
        let nodes = self.0.nodes.lock();
        nodes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After `error`: if a log-in was refused, takes the credentials now in the file. Tells whether they may have
    /// changed. Other servers need a restart.
    pub(super) fn renew_after(&self, error: &RedisError) -> bool {
        let is_refusal = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"));
        let read = || self.0.source.as_ref().and_then(|source| (source.0)());
        let Some(nodes) = is_refusal.then(read).flatten() else {
            return false;
        };
        let is_same = address_of(&nodes) == self.address();
        if is_same {
            *self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
        }
        is_same
    }

    /// Reads the URLs; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When one is no URL, or the certificates are none. The error repeats neither.
    pub(super) fn topology(&self) -> RedisResult<Topology> {
        match &self.nodes() {
            RedisNodes::Single(url) => {
                let client = self.client(settled(url)?)?;
                Ok(Topology::Primary(Primary::At(Box::new(client))))
            }
            RedisNodes::Cluster(urls) => {
                let cluster = ClusterClient::builder(urls.iter().map(ExposeSecret::expose_secret));
                let cluster = cluster.tcp_settings(tcp());
                Ok(Topology::Cluster(Box::new(match self.certificates() {
                    Some(certificates) => cluster.certs(certificates),
                    None => cluster,
                })))
            }
            RedisNodes::Sentinel {
                sentinels,
                service,
                server,
            } => {
                let sentinels = self.sentinels(sentinels, service, server)?;
                let sentinels = Sentinels {
                    client: sentinels,
                    named: None,
                };
                let sentinels = Arc::new(tokio::sync::Mutex::new(sentinels));
                Ok(Topology::Primary(Primary::NamedBySentinels(sentinels)))
            }
        }
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn sentinels(
        &self,
        sentinels: &[SecretString],
        service: &str,
        server: &SecretString,
    ) -> RedisResult<SentinelClient> {
        let sentinels: Vec<_> = sentinels.iter().map(settled).collect::<RedisResult<_>>()?;
        let addresses = sentinels.iter().map(|sentinel| sentinel.addr().clone());
        let mut builder =
            SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
                .set_client_to_sentinel_tcp_settings(tcp())
                .set_client_to_redis_tcp_settings(tcp());
        // One name and password for all sentinels: each of the URLs has them.
        if let Some(first) = sentinels.first().map(ConnectionInfo::redis_settings) {
            if let Some(username) = first.username() {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = first.password() {
                builder = builder.set_client_to_sentinel_password(password);
            }
        }
        let server = settled(server)?;
        let settings = server.redis_settings();
        builder = builder.set_client_to_redis_db(settings.db());
        if let Some(username) = settings.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if is_tls(&server) {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_sentinel_certificates(certificates.clone())
                .set_client_to_redis_certificates(certificates);
        }
        builder.build()
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.0.tls_ca.clone()?;
        Some(TlsCertificates {
            client_tls: None,
            root_cert: Some(root_cert),
        })
    }

    /// Where the servers are, for the log: hosts and ports, and nothing secret.
    pub(super) fn address(&self) -> String {
        address_of(&self.nodes())
    }

    /// How long connecting may take where a command may take `timeout`. Connections to one server are opened in the
    /// background, so no caller waits this long. A cluster's callers do wait, so its limit is `timeout` unless TLS
    /// is used.
    pub(super) fn connect_timeout(&self, timeout: Duration) -> Duration {
        let is_plain_cluster = match &self.nodes() {
            RedisNodes::Cluster(urls) => {
                let mut infos = urls.iter().filter_map(|url| settled(url).ok());
                !infos.any(|info| is_tls(&info))
            }
            RedisNodes::Single(_) | RedisNodes::Sentinel { .. } => false,
        };
        if is_plain_cluster {
            timeout
        } else {
            timeout.max(CONNECT)
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.nodes(), RedisNodes::Cluster(_))
    }
}

fn address_of(nodes: &RedisNodes) -> String {
    let address = |url: &SecretString| {
        settled(url).map_or_else(|_| "?".to_owned(), |info| info.addr().to_string())
    };
    let all = |urls: &[SecretString]| urls.iter().map(address).collect::<Vec<_>>().join(",");
    match nodes {
        RedisNodes::Single(url) => address(url),
        RedisNodes::Cluster(urls) => all(urls),
        RedisNodes::Sentinel {
            sentinels, service, ..
        } => format!("{service} of {}", all(sentinels)),
    }
}

/// What a URL says, and what all our connections have in common: no delay, and no greeting that
/// would need a right of its own.
fn settled(url: &SecretString) -> RedisResult<ConnectionInfo> {
    let info = url.expose_secret().into_connection_info()?;
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp()))
}

fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
