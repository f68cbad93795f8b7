use std::{fs, time::Duration};

use secrecy::SecretString;

use super::{
    Environment,
    file::FileValues,
    given::{Flags, Sources, open_to_others},
    problem::Problems,
    reader::{Reader, optional},
    setting::{Form, Section, Setting},
    text,
};

const ADDR: Setting = Setting {
    flag: "addr",
    env: "CATALOG_ADDR",
    section: Section::Client,
    form: Form::Text {
        value_name: "URL",
        expected: "http:// or https://HOST:PORT, or HOST:PORT for http",
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

const TOKEN_FILE: Setting = Setting {
    flag: "token-file",
    env: "CATALOG_TOKEN_FILE",
    section: Section::Client,
    form: Form::Text {
        value_name: "FILE",
        expected: "a file that holds a token, on one line",
    },
    default: "",
    secret: false,
    help: "Sends the token in FILE with every call, as `authorization: Bearer`",
};

const TLS_CA: Setting = Setting {
    flag: "tls-ca",
    env: "CATALOG_TLS_CA",
    section: Section::Client,
    form: Form::Text {
        value_name: "FILE",
        expected: "a file of certificates in PEM",
    },
    default: "",
    secret: false,
    help: "Whom to trust behind https://, instead of those that the machine trusts",
};

/// Every setting of the commands that call a server.
pub static CLIENT_SETTINGS: &[Setting] = &[ADDR, TIMEOUT, TOKEN_FILE, TLS_CA];

/// How the commands that call a server reach it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub addr: String,
    /// How long to wait for the connection, and for each answer.
    pub timeout: Duration,
    /// What shows who calls: visible ASCII, 1 to 4096 bytes.
    pub token: Option<SecretString>,
    /// Certificates of authorities, in PEM; absent for those that the machine trusts.
    pub tls_ca: Option<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
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
        let shown = |token: &Option<SecretString>| token.as_ref().map_or("", |_| "***").to_owned();
        let token = reader.read(&TOKEN_FILE, "", optional(token), shown);
        let tls_ca = reader.read(&TLS_CA, "", optional(text::certificates), |_| String::new());
        if let (Some(addr), Some(Some(_))) = (&addr, &tls_ca)
            && !is_tls(addr)
        {
            let problem = format!("goes with an address https://…, not {addr}");
            reader.refuse(&TLS_CA, problem);
        }
        let file = sources.given(&TOKEN_FILE).ok().flatten();
        let warnings = file.and_then(|file| open_to_others(&file.text));
        let warnings = warnings.into_iter().collect();
        match (addr, timeout, token, tls_ca) {
            (Some(addr), Some(timeout), Some(token), Some(tls_ca))
                if reader.problems.is_empty() =>
            {
                Ok(Self {
                    addr,
                    timeout,
                    token,
                    tls_ca,
                    warnings,
                })
            }
            _ => Err(Problems(reader.problems)),
        }
    }
}

const TLS: &str = "https://";

fn is_tls(addr: &str) -> bool {
    addr.starts_with(TLS)
}

fn address(text: &str) -> Result<String, String> {
    let expected = || format!("must be http:// or https://HOST:PORT, or HOST:PORT, not {text:?}");
    let scheme = if is_tls(text) { TLS } else { "http://" };
    let rest = text
        .strip_prefix(scheme)
        .unwrap_or(text)
        .trim_end_matches('/');
    let url = url::Url::parse(&format!("{scheme}{rest}")).map_err(|_| expected())?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    // Not `Url::port`, which has none where it is the scheme's own.
    let has_port = rest
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if rest.contains("://") || !plain || !has_port || url.host_str().is_none() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("takes no user and password".to_owned());
    }
    Ok(format!("{scheme}{rest}"))
}

const TOKEN_MAX_BYTES: usize = 4096;

/// The token in a file, without the line break that editors leave at the end.
fn token(path: &str) -> Result<SecretString, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read {path:?}: {error}"))?;
    let token = text.trim_end_matches(['\n', '\r']);
    let is_token = token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token || !(1..=TOKEN_MAX_BYTES).contains(&token.len()) {
        return Err(format!(
            "{path:?} must hold one line of 1 to {TOKEN_MAX_BYTES} letters, digits and signs"
        ));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let path = file.to_str().unwrap();
        let flags = Flags::from([("token-file".to_owned(), path.to_owned())]);
        let load = || ClientConfig::load(&flags, &Environment::default());
        assert!(load().unwrap_err().to_string().contains("cannot read"));
        for bad in ["", "\n", "two words\n", "two\nlines\n", "ä\n"] {
            fs::write(&file, bad).unwrap();
            let problem = load().unwrap_err().to_string();
            assert!(problem.contains("one line"), "{bad:?}: {problem}");
        }
        fs::write(&file, "S3CR3T\n").unwrap();
        let config = load().unwrap();
        assert!(config.token.is_some());
        assert!(!format!("{config:?}").contains("S3CR3T"));
    }

    #[test]
    fn an_address_has_a_host_and_nothing_behind_the_port() {
        for text in ["http://a:1", "a:1", "http://a:1/"] {
            assert_eq!(address(text).as_deref(), Ok("http://a:1"), "{text}");
        }
        assert_eq!(address("[::1]:50051").as_deref(), Ok("http://[::1]:50051"));
        for text in ["https://a:443", "http://a:80"] {
            assert_eq!(address(text).as_deref(), Ok(text));
        }
        assert_eq!(address("https://a:1/").as_deref(), Ok("https://a:1"));
        for text in [
            "",
            "https://a:1/x",
            "https://http://a:1",
            "ftp://a",
            "a:1/x",
            "a:1?x",
            "u:p@a:1",
            "a:99999",
            "127.0.0.1",
            "https://a.example",
            "[::1]",
            "a:",
            "a b",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn authorities_go_with_tls_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let load = |addr: &str| {
            let ca = ("tls-ca".to_owned(), file.to_str().unwrap().to_owned());
            let flags = Flags::from([("addr".to_owned(), addr.to_owned()), ca]);
            let loaded = ClientConfig::load(&flags, &Environment::default());
            loaded.map_err(|problems| problems.to_string())
        };
        assert!(load("https://a:1").unwrap_err().contains("cannot read"));
        fs::write(&file, "no certificate").unwrap();
        assert!(load("https://a:1").unwrap_err().contains("in PEM"));
        fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
        assert!(load("https://a:1").unwrap().tls_ca.is_some());
        assert!(load("a:1").unwrap_err().contains("--tls-ca: goes with"));
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
