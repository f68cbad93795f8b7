use serde::Serialize;

use crate::config::DatabaseUrl;
pub use crate::repository::{Finding, MigrationReport as Migrated, Severity};

/// Why it did not work.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Which database something went wrong with; what it was is the cause.
#[derive(Debug, thiserror::Error)]
#[error("database {url}")]
struct AtDatabase {
    /// As people may see it, without the password.
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

/// One migration of this version.
#[derive(Clone, Debug, Serialize)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// What it does.
    pub name: String,
    /// When it was applied, as RFC 3339; absent while it is pending.
    pub applied_at: Option<String>,
}

/// What seeding did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seeded {
    /// How many challenges were offered.
    pub read: u64,
    /// How many of them were missing.
    pub added: u64,
}

/// What `verify` saw.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What is so, in order.
    pub facts: Vec<Fact>,
    /// What is wrong or worth knowing, the worst first.
    pub findings: Vec<Finding>,
}

/// One thing that is so.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// Such as `challenges, beginner`.
    pub name: String,
    /// Such as `4`.
    pub value: String,
}
