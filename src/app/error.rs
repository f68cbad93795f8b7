//! The error of commands and of the server, with the database that it is about.
use crate::config::DatabaseUrl;

/// Why a command or the server failed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// An error of the database at `url`, which is shown without its password.
#[derive(Debug, thiserror::Error)]
#[error("database {url}")]
struct AtDatabase {
    url: String,
    source: Error,
}

/// Names the database in an error; for `map_err`.
pub(super) fn at<E: Into<Error>>(url: &DatabaseUrl) -> impl FnOnce(E) -> Error {
    let url = url.to_string();
    move |error| {
        let source = error.into();
        Box::new(AtDatabase { url, source })
    }
}
