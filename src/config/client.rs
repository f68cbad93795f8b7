use std::time::Duration;

use super::{
    Environment,
    file::FileValues,
    given::{Flags, Sources},
    problem::Problems,
    reader::Reader,
    setting::{Form, Section, Setting},
};

const ADDR: Setting = Setting {
    flag: "addr",
    env: "CATALOG_ADDR",
    section: Section::Client,
    form: Form::Text {
        value_name: "URL",
        expected: "http://HOST:PORT or HOST:PORT",
    },
    default: "http://127.0.0.1:50051",
    secret: false,
    help: "The server to call",
};

const TIMEOUT: Setting = Setting {
    flag: "timeout",
    env: "CATALOG_CLIENT_TIMEOUT",
    section: Section::Client,
    form: Form::Duration {
        min: Duration::from_millis(1),
        max: Duration::from_hours(1),
    },
    default: "5s",
    secret: false,
    help: "How long to wait for the connection, and for each answer",
};

/// Every setting of the commands that call a server.
pub static CLIENT_SETTINGS: &[Setting] = &[ADDR, TIMEOUT];

/// How the commands that call a server reach it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `http://HOST:PORT`.
    pub addr: String,
    /// How long to wait for the connection, and for each answer.
    pub timeout: Duration,
}

impl ClientConfig {
    /// Finds the settings: flags over environment over default; the settings file has no say here.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, Problems> {
        let sources = Sources {
            flags,
            environment,
            file: FileValues::new(),
        };
        let mut reader = Reader::new(&sources);
        let addr = reader.read(&ADDR, ADDR.default, address, Clone::clone);
        let timeout = reader.duration(&TIMEOUT);
        match (addr, timeout) {
            (Some(addr), Some(timeout)) => Ok(Self { addr, timeout }),
            _ => Err(Problems(reader.problems)),
        }
    }
}

fn address(text: &str) -> Result<String, String> {
    let expected = || format!("must be http://HOST:PORT or HOST:PORT, not {text:?}");
    if text.starts_with("https://") {
        return Err("TLS is not spoken here; use http://HOST:PORT".to_owned());
    }
    let rest = text
        .strip_prefix("http://")
        .unwrap_or(text)
        .trim_end_matches('/');
    let url = url::Url::parse(&format!("http://{rest}")).map_err(|_| expected())?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if rest.contains("://") || !plain || url.host_str().is_none() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("takes no user and password".to_owned());
    }
    Ok(format!("http://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_nothing_behind_the_port() {
        for text in ["http://a:1", "a:1", "http://a:1/"] {
            assert_eq!(address(text).as_deref(), Ok("http://a:1"), "{text}");
        }
        assert_eq!(address("[::1]:50051").as_deref(), Ok("http://[::1]:50051"));
        for text in [
            "",
            "https://a:1",
            "ftp://a",
            "a:1/x",
            "a:1?x",
            "u:p@a:1",
            "a:99999",
            "a b",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_flag_is_stronger_than_the_environment() {
        let environment: Environment = [("CATALOG_ADDR", "a:1"), ("CATALOG_CLIENT_TIMEOUT", "2s")]
            .into_iter()
            .collect();
        let flags = Flags::from([("addr".to_owned(), "b:2".to_owned())]);
        let config = ClientConfig::load(&flags, &environment).unwrap();
        assert_eq!(
            (config.addr.as_str(), config.timeout.as_secs()),
            ("http://b:2", 2)
        );
    }
}
