//! Parses database addresses: one server per line, with the options that the driver does not know.
use std::{str::FromStr, sync::OnceLock, time::Duration};

use parking_lot::Mutex;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::Url;

use crate::repository::MigrationError;

/// How long one attempt to connect may take by default, including DNS, TLS and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One server of the database.
pub(super) struct Server {
    /// Host and port, or the folder of its socket: for logs and errors.
    pub(super) name: String,
    /// How to connect; the login can be renewed.
    options: Mutex<PgConnectOptions>,
    /// How long one attempt to connect may take.
    pub(super) connect_timeout: Duration,
    /// Whether a pooler in transaction mode is in between: stated in the address, or detected.
    pub(super) is_shared: OnceLock<bool>,
}

impl Server {
    pub(super) fn options(&self) -> PgConnectOptions {
        let options = self.options.lock();
        options.clone()
    }

    /// Takes the login of `other`, an address of the same server.
    pub(super) fn renew_login(&self, other: &Self) {
        let renewed = other.options();
        let mut options = self.options.lock();
        *options = renewed;
    }
}

/// Parses one address per line; the result is never empty.
///
/// # Errors
///
/// [`MigrationError::Url`], which never repeats the address.
pub(super) fn parse(urls: &str) -> Result<Vec<Server>, MigrationError> {
    let list: Vec<_> = urls.lines().map(server).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(malformed());
    }
    Ok(list)
}

fn server(text: &str) -> Result<Server, MigrationError> {
    let mut url = Url::parse(text).map_err(|_| malformed())?;
    let (mut connect_timeout, is_shared) = (CONNECT_TIMEOUT, OnceLock::new());
    let mut others = Vec::new();
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "connect_timeout" => {
                // As libpq reads it, 0 means no limit, which is too long here, and 1 means 2.
                connect_timeout = match value.parse().map_err(|_| malformed())? {
                    0 => CONNECT_TIMEOUT,
                    seconds => Duration::from_secs(u64::clamp(seconds, 2, 60)),
                };
            }
            "pgbouncer" => {
                is_shared.set(value == "true").ok();
            }
            // The driver does not support it, and the settings warn about it.
            "channel_binding" => {}
            _ => others.push((name.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    // The driver's error could repeat a part of the address.
    let options = PgConnectOptions::from_str(url.as_str()).map_err(|_| malformed())?;
    let options = options
        .application_name("challenges-catalog")
        // Poolers refuse startup parameters that they do not know, and numbers are sent in binary.
        .extra_float_digits(None)
        // The driver would log slow statements with their whole text, migrations included.
        .disable_statement_logging();
    let name = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    Ok(Server {
        name,
        options: Mutex::new(options),
        connect_timeout,
        is_shared,
    })
}

fn malformed() -> MigrationError {
    MigrationError::Url("must be postgres://user:password@host:port/database".to_owned())
}
