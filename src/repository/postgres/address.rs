use std::{
    str::FromStr,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::Url;

use crate::repository::MigrationError;

/// How long one attempt to connect may take, names, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server of the database.
pub(super) struct Server {
    /// Host and port, or the folder of its socket: for people.
    pub(super) name: String,
    /// How to connect; the log-in in it may be renewed.
    options: Mutex<PgConnectOptions>,
    /// How long one attempt to connect may take.
    pub(super) patience: Duration,
    /// Whether a pooler lends its sessions for one transaction each: by its address, or found out.
    pub(super) is_shared: OnceLock<bool>,
}

impl Server {
    pub(super) fn options(&self) -> PgConnectOptions {
        let options = self.options.lock();
        options.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the log-in of an address of the same server.
    pub(super) fn renew(&self, other: &Self) {
        let renewed = other.options();
        let mut options = self.options.lock().unwrap_or_else(PoisonError::into_inner);
        *options = renewed;
    }
}

/// Reads addresses of one server each, one a line; never none.
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
    let (mut patience, is_shared, mut others) = (CONNECT_TIMEOUT, OnceLock::new(), Vec::new());
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| malformed())?;
                patience = connect_timeout(seconds);
            }
            "pgbouncer" => {
                is_shared.set(value == "true").ok();
            }
            // Not to be had from the driver; whoever gave it was told.
            "channel_binding" => {}
            _ => others.push((name.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    // The driver's words could repeat a part of the address.
    let options = PgConnectOptions::from_str(url.as_str()).map_err(|_| malformed())?;
    // Poolers refuse startup parameters that they do not know, and numbers come in binary.
    let options = options
        .application_name("challenges-catalog")
        .extra_float_digits(None)
        // The driver would log what takes its time with all of its text, migrations too.
        .disable_statement_logging();
    let name = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    Ok(Server {
        name,
        options: Mutex::new(options),
        patience,
        is_shared,
    })
}

/// As libpq reads it: 0 means as long as the system likes, which is too long here, and 1 is taken for 2.
fn connect_timeout(seconds: u64) -> Duration {
    match seconds {
        0 => CONNECT_TIMEOUT,
        seconds => Duration::from_secs(seconds.clamp(2, 60)),
    }
}

fn malformed() -> MigrationError {
    MigrationError::Url("must be postgres://user:password@host:port/database".to_owned())
}
