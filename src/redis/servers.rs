//! Where Redis is, and how the first step to it is taken: one server, one that sentinels name, or a cluster.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bb8_redis::redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult,
    TlsMode,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::{ExposeSecret, SecretString};

use super::tls::RedisTls;

/// Where Redis is and how to log in there, by the settings in force. A clone is another hand on the same.
#[derive(Clone, Debug)]
pub struct RedisServers(Arc<CurrentLogin>);

#[derive(Debug)]
struct CurrentLogin {
    login: Mutex<Arc<RedisLogin>>,
    source: Option<LoginSource>,
    /// When the source was read last.
    read_at: Mutex<Option<Instant>>,
}

/// Where Redis is, and what it takes to be let in.
#[derive(Clone, Debug)]
pub struct RedisLogin {
    /// The servers, with the credentials that they take.
    pub nodes: RedisNodes,
    /// For addresses with TLS.
    pub tls: RedisTls,
}

/// Gives what is written down by now; `None` when it cannot be read.
#[derive(Clone)]
pub struct LoginSource(pub Arc<dyn Fn() -> Option<RedisLogin> + Send + Sync>);

impl fmt::Debug for LoginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginSource")
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
        let tls = RedisTls::default();
        Self::new(RedisLogin { nodes, tls }, None)
    }
}

/// Names, sentinels, handshakes and certificates take their time.
const CONNECT: Duration = Duration::from_secs(1);
/// Between two readings of the files.
const READ_PAUSE: Duration = Duration::from_secs(1);

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
    /// `source` is read again when a log-in is refused.
    #[must_use]
    pub fn new(login: RedisLogin, source: Option<LoginSource>) -> Self {
        Self(Arc::new(CurrentLogin {
            login: Mutex::new(Arc::new(login)),
            source,
            read_at: Mutex::default(),
        }))
    }

    /// What is in force; another value after it was renewed.
    pub(super) fn login(&self) -> Arc<RedisLogin> {
        let login = self.0.login.lock();
        Arc::clone(&login.unwrap_or_else(PoisonError::into_inner))
    }

    /// After connecting failed: if that may be for the log-in, takes the one that is written down by now.
    pub(super) fn renew_after(&self, error: &RedisError) {
        if self.login().may_be_refused(error) {
            self.renew();
        }
    }

    /// Takes the log-in that is written down by now, unless that was read a moment ago. Other servers need a restart.
    pub(super) fn renew(&self) {
        let Some(source) = &self.0.source else {
            return;
        };
        let mut read_at = self
            .0
            .read_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if read_at.is_some_and(|at| at.elapsed() < READ_PAUSE) {
            return;
        }
        *read_at = Some(Instant::now());
        let before = self.login();
        let renewed = (source.0)().filter(|renewed| {
            renewed.address() == before.address() && !renewed.is_same_as(&before)
        });
        if let Some(renewed) = renewed {
            *self.0.login.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        }
    }
}

impl RedisLogin {
    fn is_same_as(&self, other: &Self) -> bool {
        self.nodes.secrets().eq(other.nodes.secrets()) && self.tls.is_same_as(&other.tls)
    }

    /// Whether `error` of connecting may mean that the servers do not take this log-in.
    fn may_be_refused(&self, error: &RedisError) -> bool {
        let is_refusal = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"));
        // Certificates that are not taken, on whichever side, end the connection; a cluster's client does not say why
        // it has none.
        let has_certificates = self.tls.authorities.is_some() || self.tls.identity.is_some();
        is_refusal || self.is_cluster() || (has_certificates && error.is_io_error())
    }

    /// Reads the URLs; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When one is no URL, or the certificates are none. The error repeats neither.
    pub(super) fn topology(&self) -> RedisResult<Topology> {
        match &self.nodes {
            RedisNodes::Single(url) => {
                let client = self.client(settled(url)?)?;
                Ok(Topology::Primary(Primary::At(Box::new(client))))
            }
            RedisNodes::Cluster(urls) => {
                let cluster = ClusterClient::builder(urls.iter().map(ExposeSecret::expose_secret));
                let cluster = cluster.tcp_settings(tcp());
                Ok(Topology::Cluster(Box::new(match self.tls.certificates() {
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
        match self.tls.certificates() {
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
        if let Some(certificates) = self.tls.certificates() {
            builder = builder
                .set_client_to_sentinel_certificates(certificates.clone())
                .set_client_to_redis_certificates(certificates);
        }
        builder.build()
    }

    /// Where the servers are, for the log: hosts and ports, and nothing secret.
    pub(super) fn address(&self) -> String {
        let address = |url: &SecretString| {
            settled(url).map_or_else(|_| "?".to_owned(), |info| info.addr().to_string())
        };
        let all = |urls: &[SecretString]| urls.iter().map(address).collect::<Vec<_>>().join(",");
        match &self.nodes {
            RedisNodes::Single(url) => address(url),
            RedisNodes::Cluster(urls) => all(urls),
            RedisNodes::Sentinel {
                sentinels, service, ..
            } => format!("{service} of {}", all(sentinels)),
        }
    }

    /// How long connecting may take where a command may take `timeout`. Connections to one server are opened in the
    /// background, so no caller waits this long. A cluster's callers do wait, so its limit is `timeout` unless TLS
    /// is used.
    pub(super) fn connect_timeout(&self, timeout: Duration) -> Duration {
        let is_plain_cluster = match &self.nodes {
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
        matches!(self.nodes, RedisNodes::Cluster(_))
    }
}

impl RedisNodes {
    /// The URLs.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let (urls, server) = match self {
            Self::Single(url) => (std::slice::from_ref(url), None),
            Self::Cluster(urls) => (urls.as_slice(), None),
            Self::Sentinel {
                sentinels, server, ..
            } => (sentinels.as_slice(), Some(server)),
        };
        urls.iter().chain(server).map(ExposeSecret::expose_secret)
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
