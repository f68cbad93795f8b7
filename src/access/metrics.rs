//! How authentication went so far.
use std::sync::Arc;

use super::issuer::IssuerKeys;
use crate::{
    domain::CredentialError,
    telemetry::{Counter, Page},
};

/// Counts by outcome. Answers that a connection remembers are not counted again.
#[derive(Debug, Default)]
pub(super) struct AccessMetrics {
    known: Counter,
    missing: Counter,
    malformed: Counter,
    unknown: Counter,
    expired: Counter,
    invalid: Counter,
    keys_unavailable: Counter,
}

impl AccessMetrics {
    pub(super) fn count(&self, error: Option<&CredentialError>) {
        let counter = match error {
            None => &self.known,
            Some(CredentialError::Missing) => &self.missing,
            Some(CredentialError::Malformed(_)) => &self.malformed,
            Some(CredentialError::Unknown(_)) => &self.unknown,
            Some(CredentialError::Expired) => &self.expired,
            Some(
                CredentialError::NotYetValid
                | CredentialError::OtherAudience
                | CredentialError::Invalid(_),
            ) => &self.invalid,
            Some(CredentialError::KeysUnavailable) => &self.keys_unavailable,
        };
        counter.add(1);
    }

    /// Writes them, and how keys of `issuers` were fetched.
    pub(super) fn collect(&self, issuers: &[Arc<IssuerKeys>], page: &mut Page) {
        page.counter(
            "catalog_authentications_total",
            "Credentials that were checked, by outcome; a connection's credentials are checked once.",
        )
        .sample(&[("outcome", "known")], self.known.get())
        .sample(&[("outcome", "missing")], self.missing.get())
        .sample(&[("outcome", "malformed")], self.malformed.get())
        .sample(&[("outcome", "unknown")], self.unknown.get())
        .sample(&[("outcome", "expired")], self.expired.get())
        .sample(&[("outcome", "invalid")], self.invalid.get())
        .sample(&[("outcome", "keys_unavailable")], self.keys_unavailable.get());
        if issuers.is_empty() {
            return;
        }
        let mut fetches = page.counter(
            "catalog_issuer_key_fetches_total",
            "Fetches of an issuer's keys.",
        );
        for issuer in issuers {
            fetches.sample(&[("issuer", &issuer.rule.url)], issuer.fetches.get());
        }
        let mut failures = page.counter(
            "catalog_issuer_key_fetch_failures_total",
            "Fetches of an issuer's keys that failed; the keys of before still count.",
        );
        for issuer in issuers {
            failures.sample(&[("issuer", &issuer.rule.url)], issuer.failures.get());
        }
    }
}
