//! Where the catalog is kept: a SQLite file, or PostgreSQL on one server or several.
use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    database_parameters::binds_no_channel, database_servers::DatabaseServers,
    redact::redacted_list, secret_file::read_secret,
};

const KNOWN: &str = "use postgres://USER:PASSWORD@HOST:PORT/NAME, postgresql://…, or sqlite:PATH";
const ENCODE: &str = "in the user and the password write %2F for /, %23 for #, %3F for ?, \
                      %40 for @, %3A for : and %25 for %";
/// Where the catalog is kept. `Display` and `Debug` show user, host and name, never the password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file, made when it is missing.
    Sqlite(PathBuf),
    /// A `postgres://` URL for each server that may have the database, one a line.
    Postgres(SecretString),
}

impl DatabaseUrl {
    /// The URL that a file holds by now.
    ///
    /// # Errors
    ///
    /// Why there is none; no part of the content.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read_secret("DATABASE_URL_FILE", &file.display().to_string());
        Self::parse(&text.map_err(|problem| problem.text)?)
    }

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is expected. The text itself is never repeated, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| format!("is no database URL; {KNOWN}"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite(rest).map(Self::Sqlite),
            "postgres" | "postgresql" => {
                let servers = DatabaseServers::parse(text, ENCODE)?;
                servers.iter().try_for_each(check)?;
                Ok(Self::Postgres(servers.lines().into()))
            }
            _ => Err(format!("its scheme is not one of the known ones; {KNOWN}")),
        }
    }
}

impl DatabaseUrl {
    /// What it asks for and does not get.
    pub(super) fn warning(&self) -> Option<String> {
        let Self::Postgres(urls) = self else {
            return None;
        };
        let mut urls = urls.expose_secret().lines();
        let is_asked = urls.any(|url| Url::parse(url).is_ok_and(|url| binds_no_channel(&url)));
        is_asked.then(|| {
            "DATABASE_URL has channel_binding=require, which is not enforced: sslmode=verify-full proves who the server is"
                .to_owned()
        })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(urls) => {
                let urls = urls.expose_secret().lines();
                let urls: Vec<_> = urls.filter_map(|url| Url::parse(url).ok()).collect();
                f.write_str(&redacted_list(&urls))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

fn sqlite(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains(":memory:") {
        return Err(
            "an in-memory database loses its rows; name a file, such as \
                    sqlite:challenges.sqlite"
                .to_owned(),
        );
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(
            "names no file; write sqlite:PATH, such as sqlite:challenges.sqlite".to_owned(),
        );
    }
    if path.contains(['?', '\0']) {
        return Err("takes no parameters; write sqlite:PATH".to_owned());
    }
    Ok(path.into())
}

/// Checks all that would otherwise fail late, or show a mistyped password.
fn check(url: &Url) -> Result<(), String> {
    let parameters: Vec<_> = url.query_pairs().collect();
    let has = |wanted: &[&str]| {
        parameters
            .iter()
            .any(|(name, _)| wanted.contains(&name.as_ref()))
    };
    if url.host_str().is_none_or(str::is_empty) && !has(&["host", "hostaddr"]) {
        return Err(format!("names no host; {KNOWN}"));
    }
    let name = url.path().strip_prefix('/').unwrap_or_default();
    if url.fragment().is_some() || name.contains(['/', '@', ':']) {
        return Err(format!("is cut in odd places; {ENCODE}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_picks_its_engine() {
        for (text, shown) in [
            ("sqlite:a.db", "sqlite:a.db"),
            ("sqlite://dir/a.db", "sqlite:dir/a.db"),
            ("sqlite:///var/a.db", "sqlite:/var/a.db"),
            (
                "postgres://u:S3CR3T@db:6432/shop?sslmode=require",
                "postgres://u:***@db:6432/shop",
            ),
            ("postgresql://db", "postgresql://db"),
            (
                "postgres://u:S3CR3T@h1:1,h2,h3:3/shop?target_session_attrs=read-write",
                "postgres://u:***@h1:1,h2,h3:3/shop",
            ),
            (
                "postgres:///shop?host=/run/pg&password=S3CR3T",
                "postgres:///shop",
            ),
        ] {
            let url = DatabaseUrl::parse(text).map(|url| format!("{url}"));
            assert_eq!(url.as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_database_url_is_refused_and_never_repeated() {
        for text in [
            "",
            "S3CR3T",
            "S3CR3T://db",
            "mysql://u:S3CR3T@db/x",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:dir/",
            "sqlite:a.db?key=S3CR3T",
            "postgres://",
            "postgres://u:S3CR3T@/x",
            "postgres://u:S3/CR3T@db/x",
            "postgres://u:12/S3CR3T@db/x",
            "postgres://u:12#S3CR3T@db/x",
            "postgres://u:12?S3CR3T@db/x",
            "postgres://u:S3CR3T@db:99999/x",
            "postgres://u:S3CR3T@db/x?sslmode=S3CR3T",
            "postgres://u:S3CR3T@h1,h2/x?target_session_attrs=S3CR3T",
            "postgres://u:S3CR3T@h1,/x",
            "postgres://u:1,S3CR3T/@h1,h2/x",
        ] {
            let problem = DatabaseUrl::parse(text).unwrap_err();
            assert!(
                !problem.contains("S3CR3T") && !problem.is_empty(),
                "{text}: {problem}"
            );
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let url = DatabaseUrl::parse("postgres://u:S3CR3T@db/x").unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://u:***@db/x)");
    }
}
