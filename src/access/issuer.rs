//! Tokens of an issuer: their signatures, claims and times, and the keys that verify them.
//!
//! Keys are fetched at the start, again for a token with an unknown key, and before they are a day old; at most
//! once a minute, whatever comes. Keys stay when fetching others fails. One task fetches them: a caller only asks
//! for it and waits, so a fetch goes on when the caller's deadline is over.
use std::{sync::Arc, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey, TokenData, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{fetch, file::IssuerRule};
use crate::{
    domain::CredentialError,
    telemetry::{Counter, Failing, FailureLog},
};

/// How much the clocks of issuers may differ from this server's.
const LEEWAY_SECONDS: u64 = 30;
/// Between two fetches.
const FETCH_PAUSE: Duration = Duration::from_mins(1);
/// The same as long as there are no keys at all: an issuer may start after this server.
const FIRST_FETCH_PAUSE: Duration = Duration::from_secs(5);
/// Keys this old are fetched again while those there are still count.
const KEYS_OLD: Duration = Duration::from_hours(24);

/// The claims of a token that is good.
pub(super) type Claims = Map<String, Value>;

/// One issuer, and its keys.
pub(super) struct IssuerKeys {
    pub(super) rule: Arc<IssuerRule>,
    state: watch::Sender<KeyState>,
    /// Ends the fetching of keys.
    stop: CancellationToken,
    outage: FailureLog,
    pub(super) fetches: Counter,
    pub(super) failures: Counter,
}

/// The keys that are known, and what becomes of others.
struct KeyState {
    keys: Option<Arc<JwkSet>>,
    /// When keys were fetched last, whatever came of it.
    fetched_at: Option<Instant>,
    /// A fetch is asked for, or under way.
    is_fetching: bool,
}

impl KeyState {
    /// How long after a fetch another one may follow.
    fn pause(&self) -> Duration {
        match self.keys {
            Some(_) => FETCH_PAUSE,
            None => FIRST_FETCH_PAUSE,
        }
    }
}

impl IssuerKeys {
    /// Without keys until [`Self::keep_fresh`] has fetched some. `stop` ends that, and the waiting for it.
    pub(super) fn new(rule: Arc<IssuerRule>, stop: CancellationToken) -> Self {
        let state = KeyState {
            keys: None,
            fetched_at: None,
            is_fetching: true,
        };
        Self {
            rule,
            state: watch::Sender::new(state),
            stop,
            outage: FailureLog::default(),
            fetches: Counter::default(),
            failures: Counter::default(),
        }
    }

    /// Fetches no more keys; who waits for some waits no longer.
    pub(super) fn stop(&self) {
        self.stop.cancel();
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
            self.wait_for_fetch().await;
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
        let decoded: Result<TokenData<Claims>, _> =
            decode(token, &key, &self.validation(header.alg));
        decoded
            .map(|it| it.claims)
            .map_err(|error| problem(error.kind()))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        // Only that of the token, which is one of the rule's: the library refuses a list of several families.
        validation.algorithms = vec![algorithm];
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.rule.url]);
        validation.set_audience(&[&self.rule.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    /// Has these keys until others are fetched.
    pub(super) fn keep(&self, keys: Arc<JwkSet>) {
        self.state.send_modify(|state| {
            state.keys = Some(keys);
            state.is_fetching = false;
        });
    }

    fn known(&self) -> Option<Arc<JwkSet>> {
        self.state.borrow().keys.clone()
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

    /// Asks for a fetch, unless one was made a moment ago, and waits until it has ended. Who comes meanwhile waits
    /// for the same fetch. Dropping this ends the waiting only. Nobody waits for an issuer that has never answered.
    async fn wait_for_fetch(&self) {
        if self.outage.is_failing() && self.known().is_none() {
            return;
        }
        self.state.send_if_modified(|state| {
            let last = state.fetched_at;
            let is_due = last.is_none_or(|at| at.elapsed() >= state.pause());
            let is_asked = is_due && !state.is_fetching;
            state.is_fetching |= is_asked;
            is_asked
        });
        let mut fetch = self.state.subscribe();
        let ended = fetch.wait_for(|state| !state.is_fetching);
        drop(self.stop.run_until_cancelled(ended).await);
    }

    /// Fetches keys at once, when a caller asks, when they are old, and after a fetch that failed; until it is
    /// stopped.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        let mut asked = self.state.subscribe();
        let fetching = async {
            loop {
                self.fetch().await;
                let pause = if self.outage.is_failing() {
                    asked.borrow().pause()
                } else {
                    KEYS_OLD
                };
                drop(timeout(pause, asked.wait_for(|state| state.is_fetching)).await);
            }
        };
        self.stop.run_until_cancelled(fetching).await;
    }

    async fn fetch(&self) {
        self.state.send_modify(|state| {
            state.is_fetching = true;
            state.fetched_at = Some(Instant::now());
        });
        self.fetches.add(1);
        let issuer = &self.rule.url;
        let fetched = match fetch::keys(Arc::clone(&self.rule)).await {
            Ok(keys) => {
                if let Some(Failing { failures, lasted }) = self.outage.worked() {
                    tracing::info!(
                        issuer,
                        failures,
                        ?lasted,
                        "an issuer's keys are fetched again"
                    );
                }
                Some(Arc::new(keys))
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
                None
            }
        };
        self.state.send_modify(|state| {
            state.is_fetching = false;
            if fetched.is_some() {
                state.keys = fetched;
            }
        });
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

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::{super::AccessRules, *};

    #[tokio::test]
    async fn an_issuer_may_sign_by_keys_of_several_kinds() {
        super::super::jwt_crypto::install();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())});
        let keys: JwkSet = serde_json::from_value(json!({ "keys": [key] })).unwrap();
        let keys = Arc::new(keys);
        let claims = json!({"iss": "https://a.example", "aud": "b", "exp": 4_102_444_800_u64});
        let parts = [json!({"alg": "EdDSA"}), claims].map(|it| encoded(it.to_string().as_bytes()));
        let message = parts.join(".");
        let token = format!(
            "{message}.{}",
            encoded(pair.sign(message.as_bytes()).as_ref())
        );

        for (algorithms, is_good) in [
            ("\"EdDSA\"", true),
            ("\"RS256\", \"ES256\", \"EdDSA\"", true),
            ("\"RS256\", \"ES256\"", false),
        ] {
            let rules = AccessRules::parse(&format!(
                "[[issuer]]\nurl = \"https://a.example\"\naudience = \"b\"\nalgorithms = [{algorithms}]\n\
                 [[issuer.grant]]\nclaim = \"sub\"\nvalue = \"c\"\nrole = \"viewer\"\n"
            ));
            let issuer = IssuerKeys::new(
                Arc::clone(&rules.unwrap().issuers[0]),
                CancellationToken::new(),
            );
            issuer.keep(Arc::clone(&keys));
            let verified = issuer.verify(&token).await;
            assert_eq!(verified.is_ok(), is_good, "{algorithms}: {verified:?}");
        }
    }
}
