//! Where Redis is: one server, a cluster, or sentinels.
use std::{fmt, path::Path};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{redact::redacted, secret_file::read_secret, text::login_and_hosts};

const KNOWN: &str = "use redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… for TLS, \
                     redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT] \
                     (rediss-cluster://… for TLS), or \
                     redis-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/SERVICE[/DB] \
                     (rediss-sentinel://… for TLS)";
const ENCODE: &str = "in the user and the password write %2F for /, %23 for #, %3F for ?, \
                      %40 for @, %2C for , and %25 for %";

/// The cache that replicas share. `Display` and `Debug` show user and hosts, never the password.
#[derive(Clone)]
pub enum RedisUrl {
    /// One server: a `redis://` or `rediss://` URL.
    Single(SecretString),
    /// Some nodes of a cluster, each as a `redis://` or `rediss://` URL with
    /// the credentials. Never empty.
    Cluster(Vec<SecretString>),
    /// Sentinels, which name the primary.
    Sentinel {
        /// Some of them, each as a URL with the credentials for sentinels. Never empty.
        sentinels: Vec<SecretString>,
        /// What they call the primary and its replicas.
        service: String,
        /// A URL with what those take; its host is no matter.
        server: SecretString,
    },
}

impl RedisUrl {
    /// The URL that a file holds by now.
    ///
    /// # Errors
    ///
    /// Why there is none; no part of the content.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read_secret("REDIS_URL_FILE", &file.display().to_string());
        Self::parse(&text.map_err(|problem| problem.text)?)
    }

    /// Whether it names a database other than the first.
    #[must_use]
    pub fn names_database(&self) -> bool {
        let (Self::Single(url) | Self::Sentinel { server: url, .. }) = self else {
            return false;
        };
        let url = Url::parse(url.expose_secret()).ok();
        url.is_some_and(|url| !matches!(url.path(), "" | "/" | "/0"))
    }

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is expected. The text itself is never repeated, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("is no Redis URL; {KNOWN}"))?;
        match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("redis" | "rediss") => {
                let url = format!("{scheme}://{rest}");
                server(&url)?;
                Ok(Self::Single(url.into()))
            }
            "redis-cluster" => cluster("redis", rest),
            "rediss-cluster" => cluster("rediss", rest),
            "redis-sentinel" => sentinel("redis", rest),
            "rediss-sentinel" => sentinel("rediss", rest),
            _ => Err(format!("its scheme is not one of the known ones; {KNOWN}")),
        }
    }

    /// Whether connections to it are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        let url = match self {
            Self::Single(url) => Some(url),
            Self::Cluster(nodes) => nodes.first(),
            Self::Sentinel { server, .. } => Some(server),
        };
        url.is_some_and(|url| url.expose_secret().starts_with("rediss://"))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &SecretString| {
            server(url.expose_secret())
                .map_or_else(|_| "redis://***".to_owned(), |url| redacted(&url))
        };
        let all = |urls: &[SecretString]| urls.iter().map(shown).collect::<Vec<_>>().join(",");
        match self {
            Self::Single(url) => f.write_str(&shown(url)),
            Self::Cluster(nodes) => write!(f, "cluster {}", all(nodes)),
            Self::Sentinel {
                sentinels,
                service,
                server,
            } => {
                let (sentinels, server) = (all(sentinels), shown(server));
                write!(f, "{service} of sentinels {sentinels}, as {server}")
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

fn cluster(scheme: &str, rest: &str) -> Result<RedisUrl, String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (credentials, hosts) = login_and_hosts(rest);
    if hosts.contains('/') {
        return Err(
            "a cluster has no database numbers; leave out what follows the hosts".to_owned(),
        );
    }
    let nodes = hosts.split(',').map(|host| {
        let url = format!("{scheme}://{credentials}{}", host.trim());
        server(&url).map(|_| url.into())
    });
    nodes.collect::<Result<_, _>>().map(RedisUrl::Cluster)
}

/// What stands for the host of a primary that is not known yet.
const PRIMARY: &str = "primary";

/// `[USER:PASSWORD@]HOST[:PORT],…/SERVICE[/DB][?sentinel_user=…&sentinel_password=…]`
fn sentinel(scheme: &str, rest: &str) -> Result<RedisUrl, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, rest) = login_and_hosts(rest);
    let (hosts, path) = rest
        .split_once('/')
        .filter(|(_, path)| !path.is_empty())
        .ok_or_else(|| format!("does not say which service of the sentinels; {KNOWN}"))?;
    let (service, database) = path.split_at(path.find('/').unwrap_or(path.len()));
    let primary = format!("{scheme}://{credentials}{PRIMARY}{database}");
    server(&primary)?;
    let (mut user, mut password) = ("", "");
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            Some(_) | None => {
                return Err(format!(
                    "takes no parameter but sentinel_user and sentinel_password; {ENCODE}"
                ));
            }
        }
    }
    let own = if user.is_empty() && password.is_empty() {
        String::new()
    } else {
        format!("{user}:{password}@")
    };
    let sentinels = hosts.split(',').map(|host| {
        let host = host.trim();
        let url = server(&format!("{scheme}://{own}{host}"))?;
        let port = url.port().unwrap_or(SENTINEL_PORT);
        let name = url.host_str().unwrap_or_default();
        Ok(format!("{scheme}://{own}{name}:{port}").into())
    });
    Ok(RedisUrl::Sentinel {
        sentinels: sentinels.collect::<Result<_, String>>()?,
        service: service.to_owned(),
        server: primary.into(),
    })
}

/// Where sentinels listen, unless it is said.
const SENTINEL_PORT: u16 = 26_379;

/// Checks all that would otherwise fail late, or show a mistyped password.
fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL ({error}); {ENCODE}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("names no host; {KNOWN}"));
    }
    let database = url.path().strip_prefix('/').unwrap_or_default();
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err(format!(
            "what follows the host must be a database number; {ENCODE}"
        ));
    }
    if url.fragment().is_some() || url.query_pairs().any(|(name, _)| name != "protocol") {
        return Err(format!("takes no parameter but protocol; {ENCODE}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_picks_its_client() {
        for (text, shown) in [
            ("redis://cache", "redis://cache"),
            (
                "rediss://u:S3CR3T@cache:6380/2",
                "rediss://u:***@cache:6380/2",
            ),
            ("redis://:S3CR3T@[::1]:6379", "redis://:***@[::1]:6379"),
            (
                "redis-cluster://a:7000,b:7001,c",
                "cluster redis://a:7000,redis://b:7001,redis://c",
            ),
            (
                "rediss-cluster://:S3CR3T@a,b/",
                "cluster rediss://:***@a,rediss://:***@b",
            ),
            (
                "redis-sentinel://a,b:1/main",
                "main of sentinels redis://a:26379,redis://b:1, as redis://primary",
            ),
            (
                "rediss-sentinel://u:S3CR3T@a/main/2?sentinel_password=S3CR3T",
                "main of sentinels rediss://:***@a:26379, as rediss://u:***@primary/2",
            ),
        ] {
            let url = RedisUrl::parse(text).map(|url| format!("{url}"));
            assert_eq!(url.as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_redis_url_is_refused_and_never_repeated() {
        for text in [
            "",
            "S3CR3T",
            "cache:6379",
            "memcached://:S3CR3T@cache",
            "unix:///S3CR3T",
            "redis://",
            "redis://:S3CR3T@",
            "redis://:S3/CR3T@cache",
            "redis://u:12/S3CR3T@cache",
            "redis://u:12#S3CR3T@cache",
            "redis://u:12?S3CR3T@cache",
            "redis-cluster://:S3CR3T@a,,b",
            "redis-cluster://:S3CR3T@a,b/3",
            "redis-sentinel://:S3CR3T@a,b",
            "redis-sentinel://:S3CR3T@a,b/",
            "redis-sentinel://:S3CR3T@a,,b/main",
            "redis-sentinel://:S3CR3T@a/main/first",
            "redis-sentinel://:S3/CR3T@a/main",
            "redis-sentinel://a/main?password=S3CR3T",
        ] {
            let problem = RedisUrl::parse(text).unwrap_err();
            assert!(
                !problem.contains("S3CR3T") && !problem.is_empty(),
                "{text}: {problem}"
            );
        }
    }
}
