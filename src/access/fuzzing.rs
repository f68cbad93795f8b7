//! What the targets in `fuzz/` try of this module: how it reads credentials.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{AccessControl, AccessRules, san};
use crate::domain::Clock;

/// Access by `rules`, whose issuers all have the key set `keys`, in JSON, for good. Nothing is fetched.
///
/// # Errors
///
/// Why `keys` is no key set.
pub fn control(
    rules: AccessRules,
    clock: Arc<dyn Clock>,
    keys: &[u8],
) -> Result<AccessControl, String> {
    let keys = serde_json::from_slice(keys).map_err(|error| error.to_string())?;
    let keys = Arc::new(keys);
    let stopped = CancellationToken::new();
    stopped.cancel();
    let control = AccessControl::new(rules, clock, TaskTracker::new(), stopped);
    for issuer in control.issuers() {
        issuer.keep(Arc::clone(&keys));
    }
    Ok(control)
}

/// The names in a client's certificate.
#[must_use]
pub fn certificate_names(certificate: &[u8]) -> Vec<String> {
    let read = san::names_and_end(certificate);
    read.map_or_else(Vec::new, |(names, _end)| names)
}

/// Whether a pattern of an access file matches a name.
///
/// # Errors
///
/// What is wrong with the pattern.
pub fn matches(pattern: &str, name: &str) -> Result<bool, String> {
    Ok(san::SanPattern::parse(pattern)?.matches(name))
}
