//! How the commands that call a server reach it.
use std::{path::Path, time::Duration};

use secrecy::SecretString;

use super::{
    EnvVars,
    bounded::read_text,
    file::FileValues,
    problem::Problems,
    reader::{Flags, Reader, ValueSources},
    secret_file::open_to_others,
    setting::Setting,
    settings::{ADDR, CLIENT_CERT, CLIENT_KEY, CallConfig, TLS_CA, TOKEN_FILE},
    text,
};

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
    /// The certificate to show, and its key, in PEM.
    pub identity: Option<(String, SecretString)>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl ClientConfig {
    /// Finds the settings: flags over environment over default; the settings file has no say here.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn load(flags: &Flags, environment: &EnvVars) -> Result<Self, Problems> {
        let file = FileValues::new();
        let sources = ValueSources {
            flags,
            environment,
            file,
            path: None,
        };
        let mut reader = Reader::new(&sources);
        let Some(given) = CallConfig::read(&mut reader) else {
            return Err(Problems(reader.problems));
        };
        let mut refuse = |setting, problem| reader.refuse(setting, problem);
        let addr = address(&given.addr)
            .map_err(|problem| refuse(&ADDR, problem))
            .ok();
        let token = given.token_file.as_deref().map(token).transpose();
        let token = token.map_err(|problem| refuse(&TOKEN_FILE, problem)).ok();
        let tls_ca = given
            .tls_ca
            .as_ref()
            .map(|path| text::certificates(&path.to_string_lossy()));
        let tls_ca = tls_ca
            .transpose()
            .map_err(|problem| refuse(&TLS_CA, problem))
            .ok();
        let identity = identity(&given)
            .map_err(|(setting, problem)| refuse(setting, problem))
            .ok();
        let needs_tls = [
            (&TLS_CA, matches!(&tls_ca, Some(Some(_)))),
            (&CLIENT_CERT, matches!(&identity, Some(Some(_)))),
        ];
        for (setting, is_given) in needs_tls {
            if let Some(addr) = addr.as_ref().filter(|addr| is_given && !is_tls(addr)) {
                refuse(
                    setting,
                    format!("goes with an address https://…, not {addr}"),
                );
            }
        }
        let file = given.token_file.as_deref();
        let mut warnings: Vec<_> = file.and_then(open_to_others).into_iter().collect();
        warnings.extend(token_in_plain_text(addr.as_deref(), file));
        match (addr, token, tls_ca, identity) {
            (Some(addr), Some(token), Some(tls_ca), Some(identity))
                if reader.problems.is_empty() =>
            {
                Ok(Self {
                    addr,
                    timeout: given.timeout,
                    token,
                    tls_ca,
                    identity,
                    warnings,
                })
            }
            _ => Err(Problems(reader.problems)),
        }
    }
}

/// The certificate to show and its key, or which setting is wrong with them.
fn identity(
    given: &CallConfig,
) -> Result<Option<(String, SecretString)>, (&'static Setting, String)> {
    let (cert, key) = match (&given.client_cert, &given.client_key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err((&CLIENT_CERT, "needs client_key as well".to_owned())),
        (None, Some(_)) => return Err((&CLIENT_KEY, "needs client_cert as well".to_owned())),
    };
    let certificate = text::certificates(&cert.to_string_lossy());
    let certificate = certificate.map_err(|problem| (&CLIENT_CERT, problem))?;
    let key = read_text(key).map_err(|problem| (&CLIENT_KEY, problem))?;
    Ok(Some((certificate, key.into())))
}

/// What to say of a token that goes over a network in plain text.
fn token_in_plain_text(addr: Option<&str>, token_file: Option<&Path>) -> Option<String> {
    let (addr, _) = (addr.filter(|addr| !is_tls(addr))?, token_file?);
    let is_local = match url::Url::parse(addr).ok()?.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.to_canonical().is_loopback(),
    };
    (!is_local).then(|| {
        format!(
            "the token goes to {addr} in plain text, which others may read on the way; use https://"
        )
    })
}

const TLS: &str = "https://";
const PLAIN: &str = "http://";

fn is_tls(addr: &str) -> bool {
    addr.starts_with(TLS)
}

fn address(text: &str) -> Result<String, String> {
    let expected = || format!("must be http:// or https://HOST:PORT, or HOST:PORT, not {text:?}");
    let behind = |scheme: &str| {
        let (begins, rest) = text.split_at_checked(scheme.len())?;
        begins.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let (scheme, rest) = match behind(TLS) {
        Some(rest) => (TLS, rest),
        None => (PLAIN, behind(PLAIN).unwrap_or(text)),
    };
    let rest = rest.trim_end_matches('/');
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
fn token(path: &Path) -> Result<SecretString, String> {
    let text = read_text(path)?;
    let token = text.trim_end_matches(['\n', '\r']);
    let is_token = token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token || !(1..=TOKEN_MAX_BYTES).contains(&token.len()) {
        return Err(format!(
            "{} must hold one line of 1 to {TOKEN_MAX_BYTES} letters, digits and signs",
            path.display()
        ));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_one_line_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let path = file.to_str().unwrap();
        let flags = Flags::from([("token-file".to_owned(), path.to_owned())]);
        let load = || ClientConfig::load(&flags, &EnvVars::default());
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
    fn a_token_that_goes_over_a_network_in_plain_text_is_warned_of() {
        let token = Some(Path::new("token"));
        for addr in ["http://10.0.0.1:1", "http://a.example:1", "http://[::2]:1"] {
            let warning = token_in_plain_text(Some(addr), token);
            assert!(warning.is_some_and(|it| it.contains(addr)), "{addr}");
            assert_eq!(token_in_plain_text(Some(addr), None), None);
        }
        for addr in [
            "https://a.example:1",
            "http://localhost:1",
            "http://127.1.0.1:1",
            "http://[::1]:1",
        ] {
            assert_eq!(token_in_plain_text(Some(addr), token), None, "{addr}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_nothing_behind_the_port() {
        for text in ["http://a:1", "a:1", "http://a:1/", "HTTP://a:1/"] {
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
            let loaded = ClientConfig::load(&flags, &EnvVars::default());
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
        let environment: EnvVars = [("CATALOG_ADDR", "a:1"), ("CATALOG_CLIENT_TIMEOUT", "2s")]
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
