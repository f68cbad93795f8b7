//! Settings whose text has a form of its own.
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use tracing_subscriber::EnvFilter;

use super::bounded::read_text;

/// The longest id of a service or zone, in bytes.
const ID_MAX_BYTES: usize = 64;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// An address to listen on.
pub(super) fn listen_addr(text: &str) -> Result<SocketAddr, String> {
    let local = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok());
    if let Some(port) = local {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        format!(
            "must be IP:PORT, such as 127.0.0.1:50051, or 0.0.0.0:50051 for every interface, \
             not {text:?}"
        )
    })
}

/// True when only this machine can reach the address.
pub(super) fn is_loopback(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

/// The user and the password with their `@`, empty without them; and what stands behind.
pub(super) fn login_and_hosts(authority: &str) -> (&str, &str) {
    let behind = authority.rfind('@').map_or(0, |at| at + 1);
    authority
        .split_at_checked(behind)
        .unwrap_or(("", authority))
}

/// The text of a file of certificates; whether they are good is for TLS to say.
pub(super) fn certificates(path: &str) -> Result<String, String> {
    let text = read_text(Path::new(path))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(format!("{path:?} has no certificate in PEM"));
    }
    Ok(text)
}

/// Whether it is the path of such a file.
pub(super) fn is_certificates(path: &str) -> Result<(), String> {
    certificates(path).map(|_| ())
}

/// Whether it can be the id of a service or zone, which becomes a part of a path.
pub(super) fn is_service_id(text: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.len() <= ID_MAX_BYTES && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "must be {ID_MAX_BYTES} letters, digits, - and _ at most"
    ))
}

/// Whether it is a filter that the log understands. It takes a bare word for the name of a
/// target, so a mistyped level would silence everything; that is refused here.
pub(super) fn is_log_filter(text: &str) -> Result<(), String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let clear = |directive: &str| directive.contains(['=', '[']) || is_level(directive);
    match EnvFilter::try_new(text) {
        Ok(_) if text.split(',').map(str::trim).all(clear) => Ok(()),
        Ok(_) | Err(_) => Err(format!(
            "must be a level ({}) or TARGET=LEVEL, several parted by commas, not {text:?}",
            LEVELS.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_or_localhost_with_a_port() {
        for (text, shown) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:7", "127.0.0.1:7"),
            ("[::]:50051", "[::]:50051"),
        ] {
            assert_eq!(
                listen_addr(text).map(|addr| addr.to_string()).as_deref(),
                Ok(shown)
            );
        }
        for text in [
            "",
            ":50051",
            "50051",
            "example.org:50051",
            "127.0.0.1:99999",
            "localhost:",
        ] {
            assert!(listen_addr(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_in_each_of_its_spellings() {
        let is = |text: &str| is_loopback(listen_addr(text).unwrap());
        assert!(is("127.9.9.9:1") && is("[::1]:1") && is("[::ffff:127.0.0.1]:1"));
        assert!(!is("0.0.0.0:1") && !is("[::]:1") && !is("10.0.0.1:1"));
    }

    #[test]
    fn a_filter_is_levels_and_targets() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,challenges_catalog::cache=debug",
            "h2=warn",
        ] {
            assert!(is_log_filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "debg,h2=warn", "h2=loud", "=", " "] {
            assert!(is_log_filter(text).is_err(), "{text}");
        }
    }
}
