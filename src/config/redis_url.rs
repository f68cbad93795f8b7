use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::redact::redacted;

const KNOWN: &str = "use redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… for TLS, or \
                     redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT] \
                     (rediss-cluster://… for TLS)";
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
}

impl RedisUrl {
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
            _ => Err(format!("its scheme is not one of the known ones; {KNOWN}")),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &SecretString| {
            server(url.expose_secret())
                .map_or_else(|_| "redis://***".to_owned(), |url| redacted(&url))
        };
        match self {
            Self::Single(url) => f.write_str(&shown(url)),
            Self::Cluster(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(shown).collect();
                write!(f, "cluster {}", nodes.join(","))
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
    let (credentials, hosts) = match rest.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), rest),
    };
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
        ] {
            let problem = RedisUrl::parse(text).unwrap_err();
            assert!(
                !problem.contains("S3CR3T") && !problem.is_empty(),
                "{text}: {problem}"
            );
        }
    }
}
