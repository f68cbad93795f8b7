//! The parameters of a PostgreSQL URL: what the driver takes, and what other programs put there.
use url::Url;

/// What is passed on, and means what it does to libpq.
const TAKEN: [&str; 20] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "pgbouncer",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// What hosters and other programs put into addresses, and may be left out: of keeping and finding out dead
/// connections, of pools, and of names, which this service does its own way.
const IGNORED: [&str; 14] = [
    "client_encoding",
    "connection_limit",
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "pool_timeout",
    "socket_timeout",
    "sslcompression",
    "sslsni",
    "statement_cache_size",
    "supa",
    "tcp_user_timeout",
];

/// What can have one meaning only here, by the values that say so. Any other one asks for what is not to be had.
const LIMITED: [(&str, &[&str], &str); 7] = [
    (
        "sslaccept",
        &["accept_invalid_certs"],
        "sslmode=verify-full proves who the server is",
    ),
    (
        SESSION,
        &["read-write", "primary", "any"],
        "the service needs a server that takes writes, so it uses no standby",
    ),
    (
        "gssencmode",
        &["disable", "prefer"],
        "connections are encrypted by TLS, with sslmode",
    ),
    (
        "load_balance_hosts",
        &["disable"],
        "the servers are tried in their order",
    ),
    (
        "schema",
        &["public"],
        "the table of challenges is in schema public",
    ),
    (
        "sslnegotiation",
        &["postgres"],
        "TLS begins when the server agreed to it",
    ),
    // Not what it says, but what it is for: see `binds_no_channel`.
    (
        CHANNEL_BINDING,
        &["disable", "prefer", "require"],
        "sslmode=verify-full proves who the server is",
    ),
];
const SESSION: &str = "target_session_attrs";
const CHANNEL_BINDING: &str = "channel_binding";

const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// The URL without the parameters that have no meaning to the driver.
///
/// # Errors
///
/// What cannot be done as asked, by the name of the parameter. No value is repeated; nor is a name that may be the rest
/// of a password.
pub(super) fn settled(mut url: Url, encode: &str) -> Result<Url, String> {
    let mut kept = Vec::new();
    for (name, value) in url.query_pairs().into_owned() {
        check_value(&name, &value)?;
        let limited = LIMITED.iter().find(|(limited, ..)| *limited == name);
        if let Some((_, values, reason)) = limited {
            if !values.contains(&value.as_str()) {
                let values = values.join(", ");
                return Err(format!("{name} must be one of {values}: {reason}"));
            }
            // Looked for again when warnings are given.
            if binds_channel(&name, &value) {
                kept.push((name, value));
            }
        } else if TAKEN.contains(&name.as_str()) || name.starts_with("options[") {
            kept.push((name, value));
        } else if !IGNORED.contains(&name.as_str()) {
            return Err(unknown(&url, &name, encode));
        }
    }
    if kept.len() < url.query_pairs().count() {
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
    Ok(url)
}

/// Whether the URL asks for a proof of who the server is that the driver cannot have, and for no other one.
pub(super) fn binds_no_channel(url: &Url) -> bool {
    let mut pairs = url.query_pairs();
    let is_proven = pairs.any(|(name, value)| {
        matches!(name.as_ref(), "sslmode" | "ssl-mode") && value == "verify-full"
    });
    let mut pairs = url.query_pairs();
    !is_proven && pairs.any(|(name, value)| binds_channel(&name, &value))
}

fn binds_channel(name: &str, value: &str) -> bool {
    name == CHANNEL_BINDING && value == "require"
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    match name {
        "sslmode" | "ssl-mode" if !SSL_MODES.contains(&value) => {
            Err(format!("{name} must be one of {}", SSL_MODES.join(", ")))
        }
        "connect_timeout" if value.parse::<u64>().is_err() => {
            Err("connect_timeout must be a number of seconds".to_owned())
        }
        "pgbouncer" if !matches!(value, "true" | "false") => {
            Err("pgbouncer must be true or false".to_owned())
        }
        "client_encoding" if !matches!(value, "UTF8" | "utf8" | "auto") => {
            Err("client_encoding must be UTF8".to_owned())
        }
        _ => Ok(()),
    }
}

fn unknown(url: &Url, name: &str, encode: &str) -> String {
    // A question mark in a password begins what looks like parameters, with the host behind them.
    let may_be_secret = url
        .as_str()
        .split_once('?')
        .is_none_or(|(_, query)| query.contains('@'));
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let which = if may_be_secret || !is_word {
        "a parameter that".to_owned()
    } else {
        format!("the parameter {name}, which")
    };
    format!("has {which} is none of {}; {encode}", TAKEN.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(query: &str) -> Result<String, String> {
        let url = Url::parse(&format!("postgres://u:p@h/db{query}")).unwrap();
        settled(url, "encode").map(|url| url.query().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_addresses_of_hosters_are_taken() {
        for (query, passed_on) in [
            (
                "?sslmode=require&channel_binding=require",
                "sslmode=require&channel_binding=require",
            ),
            ("?sslmode=require&channel_binding=prefer", "sslmode=require"),
            (
                "?pgbouncer=true&connect_timeout=15&connection_limit=1&pool_timeout=10&schema=public",
                "pgbouncer=true&connect_timeout=15",
            ),
            (
                "?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9",
                "",
            ),
            ("?gssencmode=disable&options=-c+a%3Db", "options=-c+a%3Db"),
            ("?options=-c%20a=b", "options=-c%20a=b"),
            (
                "?host=%2Frun%2Fpostgresql&target_session_attrs=read-write",
                "host=%2Frun%2Fpostgresql",
            ),
        ] {
            assert_eq!(settle(query).as_deref(), Ok(passed_on), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_its_name() {
        for (query, words) in [
            (
                "?gssencmode=require",
                "gssencmode must be one of disable, prefer: ",
            ),
            ("?schema=shop", "schema must be one of public: "),
            (
                "?sslnegotiation=direct",
                "sslnegotiation must be one of postgres: ",
            ),
            ("?connect_timeout=soon", "connect_timeout must be a number"),
            ("?pgbouncer=maybe", "pgbouncer must be true or false"),
            (
                "?passfile=x",
                "has the parameter passfile, which is none of ",
            ),
            ("?service=x", "has the parameter service, which is none of "),
        ] {
            let problem = settle(query).unwrap_err();
            assert!(problem.starts_with(words), "{query}: {problem}");
        }
    }

    #[test]
    fn a_name_that_may_be_the_rest_of_a_password_is_not_repeated() {
        let url = Url::parse("postgres://u:12?secret@db/x")
            .unwrap_or_else(|_| Url::parse("postgres://u?secret@db/x").unwrap());
        assert!(!settled(url, "encode").unwrap_err().contains("secret"));
    }
}
