//! Tokens of an issuer: their signatures, claims and times, and the keys that verify them.
//!
//! Keys are fetched when they are needed first, again for a token with an unknown key, and before they are a
//! day old; at most once a minute, whatever comes. Keys stay when fetching others fails.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    DecodingKey, TokenData, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;

use super::{fetch, file::IssuerRule};
use crate::{
    domain::CredentialError,
    telemetry::{Counter, Failing, FailureLog},
};

/// How much the clocks of issuers may differ from this server's.
const LEEWAY_SECONDS: u64 = 30;
/// Between two fetches.
const FETCH_PAUSE: Duration = Duration::from_mins(1);
/// Keys this old are fetched again while those there are still count.
const KEYS_OLD: Duration = Duration::from_hours(24);

/// The claims of a token that is good.
pub(super) type Claims = Map<String, Value>;

/// One issuer, and its keys.
pub(super) struct IssuerKeys {
    pub(super) rule: Arc<IssuerRule>,
    keys: Mutex<Option<Arc<JwkSet>>>,
    /// When keys were asked for last, whatever came of it. Held while they are being fetched.
    fetched: AsyncMutex<Option<Instant>>,
    outage: FailureLog,
    pub(super) fetches: Counter,
    pub(super) failures: Counter,
}

impl IssuerKeys {
    pub(super) fn new(rule: Arc<IssuerRule>) -> Self {
        Self {
            rule,
            keys: Mutex::default(),
            fetched: AsyncMutex::default(),
            outage: FailureLog::default(),
            fetches: Counter::default(),
            failures: Counter::default(),
        }
    }

    /// The claims of `token`, if it is one of this issuer's for us that is valid now.
    pub(super) async fn verify(&self, token: &str) -> Result<Claims, CredentialError> {
        let header =
            decode_header(token).map_err(|_| CredentialError::Invalid("cannot be read"))?;
        if !self.rule.algorithms.contains(&header.alg) {
            return Err(CredentialError::Invalid(
                "has an algorithm that is not accepted",
            ));
        }
        let kid = header.kid.as_deref();
        if self.known_key(kid).is_none() {
            self.fetch_if_due().await;
        }
        let missing = || match self.known() {
            Some(_) => CredentialError::Invalid("is signed by a key that its issuer does not have"),
            None => CredentialError::KeysUnavailable,
        };
        let key = self.known_key(kid).ok_or_else(missing)?;
        let is_for_signatures = !matches!(
            key.common.public_key_use,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
        );
        let fits = |named: KeyAlgorithm| named.to_string() == format!("{:?}", header.alg);
        if !is_for_signatures || !key.common.key_algorithm.is_none_or(fits) {
            return Err(CredentialError::Invalid(
                "is signed by a key that is for something else",
            ));
        }
        let key = DecodingKey::from_jwk(&key)
            .map_err(|_| CredentialError::Invalid("is signed by a key of an unknown kind"))?;
        let decoded: Result<TokenData<Claims>, _> = decode(token, &key, &self.validation());
        decoded
            .map(|it| it.claims)
            .map_err(|error| problem(error.kind()))
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.algorithms.clone_from(&self.rule.algorithms);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.rule.url]);
        validation.set_audience(&[&self.rule.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    fn known(&self) -> Option<Arc<JwkSet>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// The key of this id; where tokens name none, the one that there is.
    fn known_key(&self, kid: Option<&str>) -> Option<Jwk> {
        let keys = self.known()?;
        match (kid, keys.keys.as_slice()) {
            (Some(kid), _) => keys.find(kid).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }

    /// Fetches keys, unless that was done a moment ago. Callers who come meanwhile wait for that fetch.
    async fn fetch_if_due(&self) {
        let mut fetched = self.fetched.lock().await;
        if fetched.is_some_and(|at| at.elapsed() < FETCH_PAUSE) {
            return;
        }
        *fetched = Some(Instant::now());
        self.fetches.add(1);
        let issuer = &self.rule.url;
        match fetch::keys(Arc::clone(&self.rule)).await {
            Ok(keys) => {
                if let Some(Failing { failures, lasted }) = self.outage.worked() {
                    tracing::info!(
                        issuer,
                        failures,
                        ?lasted,
                        "an issuer's keys are fetched again"
                    );
                }
                let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some(Arc::new(keys));
            }
            Err(problem) => {
                self.failures.add(1);
                if let Some(Failing { failures, lasted }) = self.outage.failed() {
                    tracing::warn!(
                        issuer,
                        problem,
                        failures,
                        ?lasted,
                        "an issuer's keys cannot be fetched; the keys that are known still count"
                    );
                }
            }
        }
    }

    /// Fetches keys that are old, and those that are not there yet; forever.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            self.fetch_if_due().await;
            let pause = if self.outage.is_failing() || self.known().is_none() {
                FETCH_PAUSE
            } else {
                KEYS_OLD
            };
            tokio::time::sleep(pause).await;
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's errors; all others are of tokens that are no good"
)]
fn problem(kind: &ErrorKind) -> CredentialError {
    match kind {
        ErrorKind::ExpiredSignature => CredentialError::Expired,
        ErrorKind::ImmatureSignature => CredentialError::NotYetValid,
        ErrorKind::InvalidAudience => CredentialError::OtherAudience,
        ErrorKind::InvalidIssuer => CredentialError::Invalid("is of another issuer"),
        ErrorKind::InvalidSignature => CredentialError::Invalid("has a wrong signature"),
        ErrorKind::InvalidAlgorithm => {
            CredentialError::Invalid("has an algorithm that is not accepted")
        }
        ErrorKind::MissingRequiredClaim(_) => {
            CredentialError::Invalid("lacks one of the claims exp, iss and aud")
        }
        _ => CredentialError::Invalid("cannot be read"),
    }
}
