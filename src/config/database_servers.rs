//! The servers of one PostgreSQL database, from one URL.
use url::Url;

use super::{database_parameters::settled, text::login_and_hosts};

/// The servers of one database: a URL for each, never none, all alike but for host and port.
#[derive(Clone)]
pub(super) struct DatabaseServers(Vec<Url>);

impl DatabaseServers {
    /// Reads a URL with one host or several: `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME`.
    ///
    /// # Errors
    ///
    /// What is wrong, never repeating the text; `encode` tells how to write what has a meaning in URLs.
    pub(super) fn parse(text: &str, encode: &str) -> Result<Self, String> {
        let texts = one_by_one(text);
        let has_several = texts.len() > 1;
        let urls = texts.iter().map(|text| {
            let url = Url::parse(text).map_err(|error| format!("is no URL ({error}); {encode}"))?;
            if has_several {
                check_host(&url)?;
            }
            settled(url, encode)
        });
        Ok(Self(urls.collect::<Result<_, _>>()?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Url> {
        self.0.iter()
    }

    /// One URL a line, with the password.
    pub(super) fn lines(&self) -> String {
        let urls: Vec<_> = self.0.iter().map(Url::as_str).collect();
        urls.join("\n")
    }
}

/// The text once for each of its hosts.
fn one_by_one(text: &str) -> Vec<String> {
    let whole = || vec![text.to_owned()];
    let Some((scheme, rest)) = text.split_once("://") else {
        return whole();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, tail)) = rest.split_at_checked(end) else {
        return whole();
    };
    let (login, hosts) = login_and_hosts(authority);
    let hosts = hosts.split(',');
    hosts
        .map(|host| format!("{scheme}://{login}{host}{tail}"))
        .collect()
}

fn check_host(url: &Url) -> Result<(), String> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host between two commas".to_owned());
    }
    let mut parameters = url.query_pairs();
    match parameters.find(|(name, _)| matches!(name.as_ref(), "host" | "hostaddr" | "port")) {
        Some((name, _)) => Err(format!(
            "has several hosts and the parameter {name}: leave it out"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<String, String> {
        DatabaseServers::parse(text, "encode").map(|servers| servers.lines())
    }

    #[test]
    fn each_host_is_a_server_of_the_same_database() {
        let text = "postgres://u:p,w@h1:5433,h2,[::1]:6432/db?sslmode=require&target_session_attrs=read-write&user=x";
        let expected = "postgres://u:p,w@h1:5433/db?sslmode=require&user=x\n\
                        postgres://u:p,w@h2/db?sslmode=require&user=x\n\
                        postgres://u:p,w@[::1]:6432/db?sslmode=require&user=x";
        assert_eq!(lines(text).unwrap(), expected);
    }

    #[test]
    fn an_address_of_one_host_stays_as_it_is() {
        for text in [
            "postgres://u:p@h/db?options=-c%20a=b",
            "postgres:///db?host=/run/pg",
        ] {
            assert_eq!(lines(text).unwrap(), text);
        }
        for asked in ["read-write", "primary", "any"] {
            let text = format!("postgres://h/db?target_session_attrs={asked}");
            assert_eq!(lines(&text).unwrap(), "postgres://h/db");
        }
    }

    #[test]
    fn what_no_server_can_be_chosen_by_is_refused_in_words() {
        for (text, word) in [
            (
                "postgres://h1,h2/db?target_session_attrs=standby",
                "target_session_attrs",
            ),
            (
                "postgres://h1/db?target_session_attrs=prefer-standby",
                "read-write",
            ),
            ("postgres://h1,,h2/db", "host"),
            ("postgres://h1,h2/db?host=h3", "parameter host"),
            ("postgres://h1:1,h2:99999/db", "port"),
        ] {
            let problem = lines(text).unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }
}
