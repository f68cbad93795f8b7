//! Authenticates credentials by the access file in force.
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jsonwebtoken::dangerous::insecure_decode_claims;
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    file::{AccessRules, Grant, IssuerRule},
    issuer::{Claims, IssuerKeys},
    jwt_crypto,
    metrics::AccessMetrics,
    san,
};
use crate::{
    domain::{
        Authenticator, CallRate, CallerId, Clock, CredentialError, Credentials, IdentifiedBy,
        Identity, Principal,
    },
    telemetry::Page,
};

/// A longer token is refused.
const TOKEN_MAX_BYTES: usize = 8 << 10;
/// How many principals' rates are kept; the rate of a principal that calls seldom begins anew.
const RATES_MAX: usize = 10_000;
/// The longest time that a verified token is cached.
const VALID_MAX_SECONDS: u64 = 3_600;
/// How many verified tokens of issuers are cached.
const VERIFIED_MAX: usize = 10_000;

/// Who has which credentials, by the access file in force.
pub struct AccessControl {
    clock: Arc<dyn Clock>,
    rules: RwLock<Arc<InForce>>,
    generation: AtomicU64,
    /// By the principal's name and what it may do in a minute.
    rates: Cache<(String, u32), Arc<CallRate>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    metrics: AccessMetrics,
}

struct InForce {
    rules: AccessRules,
    issuers: Vec<Arc<IssuerKeys>>,
    /// By the hash of the token.
    verified: Cache<[u8; 32], Identity>,
}

impl AccessControl {
    /// By `rules`; keys of issuers are fetched by `tasks` until `stop`.
    #[must_use]
    pub fn new(
        rules: AccessRules,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        jwt_crypto::install();
        let control = Self {
            clock,
            rules: RwLock::new(Arc::new(InForce::of(AccessRules::default(), Vec::new()))),
            generation: AtomicU64::new(0),
            rates: Cache::new(RATES_MAX),
            tasks,
            stop,
            metrics: AccessMetrics::default(),
        };
        control.renew(rules);
        control
    }

    /// Replaces the rules in force. Issuers that stay keep their keys.
    pub fn renew(&self, rules: AccessRules) {
        let before = self.in_force();
        let issuers = rules.issuers.iter();
        let issuers = issuers
            .map(|rule| {
                let same = before.issuers.iter().find(|keys| keys.rule == *rule);
                same.map_or_else(|| self.begin_fetching(rule), Arc::clone)
            })
            .collect();
        let in_force = Arc::new(InForce::of(rules, issuers));
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&in_force);
        for keys in &before.issuers {
            let mut kept = in_force.issuers.iter();
            if !kept.any(|kept| Arc::ptr_eq(kept, keys)) {
                keys.stop();
            }
        }
        self.generation.fetch_add(1, Relaxed);
    }

    fn begin_fetching(&self, rule: &Arc<IssuerRule>) -> Arc<IssuerKeys> {
        let keys = IssuerKeys::new(Arc::clone(rule), self.stop.child_token());
        let keys = Arc::new(keys);
        self.tasks.spawn(Arc::clone(&keys).keep_fresh());
        keys
    }

    /// Writes the metrics.
    pub fn collect(&self, page: &mut Page) {
        self.metrics.collect(&self.in_force().issuers, page);
    }

    /// Those of the rules in force.
    pub(super) fn issuers(&self) -> Vec<Arc<IssuerKeys>> {
        self.in_force().issuers.clone()
    }

    fn in_force(&self) -> Arc<InForce> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    fn now_seconds(&self) -> i64 {
        self.clock.now().split().0
    }

    async fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, CredentialError> {
        let in_force = self.in_force();
        if let Some(value) = credentials.authorization {
            let token = bearer_token(value)?;
            return self.by_token(&in_force, token).await;
        }
        if let Some(certificate) = credentials.certificate
            && let Some(identity) = self.by_certificate(&in_force, certificate)?
        {
            return Ok(identity);
        }
        let Some(grant) = &in_force.rules.anonymous else {
            return Err(match credentials.certificate {
                Some(_) => CredentialError::Unknown("client certificate"),
                None => CredentialError::Missing,
            });
        };
        let address = credentials.address.map(|it| it.to_canonical().to_string());
        let name = format!("anonymous@{}", address.unwrap_or_default());
        Ok(self.identity((IdentifiedBy::Nothing, name), grant, None))
    }

    async fn by_token(&self, in_force: &InForce, token: &str) -> Result<Identity, CredentialError> {
        let hash: [u8; 32] = digest(&SHA256, token.as_bytes())
            .as_ref()
            .try_into()
            .map_err(|_| CredentialError::Invalid("cannot be hashed"))?;
        // All are compared, and each to its end: how long it takes tells nothing of a hash.
        let mut found = None;
        for rule in &in_force.rules.tokens {
            if bool::from(rule.sha256.ct_eq(&hash)) {
                found = Some(rule);
            }
        }
        if let Some(rule) = found {
            if !rule.is_good_at(self.now_seconds()) {
                return Err(CredentialError::Expired);
            }
            let name = rule.name.clone();
            let who = (IdentifiedBy::Token, name);
            return Ok(self.identity(who, &rule.grant, rule.not_after_seconds));
        }
        if in_force.issuers.is_empty() || token.matches('.').count() != 2 {
            return Err(CredentialError::Unknown("token"));
        }
        if let Some(identity) = in_force.verified.get(&hash) {
            if identity.valid_until.is_none_or(|end| Instant::now() < end) {
                return Ok(identity);
            }
            in_force.verified.remove(&hash);
        }
        let identity = self.by_issuer(in_force, token).await?;
        in_force.verified.insert(hash, identity.clone());
        Ok(identity)
    }

    async fn by_issuer(
        &self,
        in_force: &InForce,
        token: &str,
    ) -> Result<Identity, CredentialError> {
        let unread = CredentialError::Invalid("cannot be read");
        // Only to find the issuer whose keys then verify all of it.
        let claimed: Claims = insecure_decode_claims(token).map_err(|_| unread)?;
        let claimed = claimed.get("iss").and_then(Value::as_str);
        let issuer = in_force.issuers.iter();
        let issuer = issuer
            .clone()
            .find(|it| Some(it.rule.url.as_str()) == claimed);
        let issuer = issuer.ok_or(CredentialError::Unknown("token's issuer"))?;
        let claims = issuer.verify(token).await?;
        let (name, grant) = granted(&issuer.rule, &claims)?;
        let end = claims.get("exp").and_then(Value::as_i64);
        Ok(self.identity((IdentifiedBy::Issuer, name), &grant, end))
    }

    /// Who a rule says it is. A handshake that goes on with the session of another one does not look at the time, so that
    /// is done here.
    fn by_certificate(
        &self,
        in_force: &InForce,
        certificate: &[u8],
    ) -> Result<Option<Identity>, CredentialError> {
        let Some((names, end)) = san::names_and_end(certificate) else {
            return Ok(None);
        };
        let mut rules = in_force.rules.certificates.iter();
        let found = rules.find_map(|rule| {
            let name = names.iter().find(|name| rule.pattern.matches(name))?;
            Some((
                rule,
                rule.name
                    .clone()
                    .unwrap_or_else(|| CallerId::name_like(name)),
            ))
        });
        if found.is_some() && end < self.now_seconds() {
            return Err(CredentialError::Expired);
        }
        Ok(found.map(|(rule, name)| {
            let who = (IdentifiedBy::Certificate, name);
            self.identity(who, &rule.grant, Some(end))
        }))
    }

    fn identity(
        &self,
        (identified_by, name): (IdentifiedBy, String),
        grant: &Grant,
        expires_at_seconds: Option<i64>,
    ) -> Identity {
        let valid_until = expires_at_seconds.map(|end| {
            let left = u64::try_from(end.saturating_sub(self.now_seconds())).unwrap_or_default();
            Instant::now() + Duration::from_secs(left.min(VALID_MAX_SECONDS))
        });
        let rate = grant.requests_per_minute.map(|per_minute| {
            let key = (name.clone(), per_minute);
            self.rates.get(&key).unwrap_or_else(|| {
                let rate = Arc::new(CallRate::new(per_minute));
                self.rates.insert(key, Arc::clone(&rate));
                rate
            })
        });
        Identity {
            principal: Arc::new(Principal {
                name,
                identified_by,
                role: grant.role,
                may_speak_for_others: grant.may_speak_for_others,
                rate,
            }),
            valid_until,
        }
    }
}

impl InForce {
    fn of(rules: AccessRules, issuers: Vec<Arc<IssuerKeys>>) -> Self {
        Self {
            rules,
            issuers,
            verified: Cache::new(VERIFIED_MAX),
        }
    }
}

#[async_trait]
impl Authenticator for AccessControl {
    fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
    ) -> Result<Identity, CredentialError> {
        let identity = self.identify(credentials).await;
        self.metrics.count(identity.as_ref().err());
        identity
    }
}

/// The token of an `authorization` header.
fn bearer_token(value: &[u8]) -> Result<&str, CredentialError> {
    const SCHEME: &str = "bearer ";
    let malformed = CredentialError::Malformed;
    let text = std::str::from_utf8(value).map_err(|_| malformed("is not ASCII"))?;
    let scheme = text.get(..SCHEME.len());
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) {
        return Err(malformed("must be `Bearer TOKEN`"));
    }
    let token = text.get(SCHEME.len()..).unwrap_or_default().trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("must have a token of visible ASCII"));
    }
    if token.len() > TOKEN_MAX_BYTES {
        return Err(malformed("is longer than any token"));
    }
    Ok(token)
}

/// Who has a token with these claims, and what that is worth: the most of all grants that fit.
fn granted(issuer: &IssuerRule, claims: &Claims) -> Result<(String, Grant), CredentialError> {
    let named = claims.get(&issuer.name_claim).and_then(Value::as_str);
    let named = named.filter(|name| !name.is_empty());
    let named = named.ok_or(CredentialError::Invalid(
        "lacks the claim that names its owner",
    ))?;
    let mut fitting = issuer.grants.iter();
    let best = fitting
        .by_ref()
        .filter(|grant| has(claims, &grant.claim, &grant.value))
        .max_by_key(|grant| grant.role)
        .ok_or(CredentialError::Invalid(
            "has no claim that a role is granted for",
        ))?;
    Ok((
        CallerId::name_like(named),
        Grant {
            role: best.role,
            may_speak_for_others: best.may_speak_for_others,
            requests_per_minute: best.requests_per_minute,
        },
    ))
}

/// Whether a claim has this value, or a list with this value. A claim inside another is `outer.inner`, and both
/// may have dots in their own names.
fn has(claims: &Claims, claim: &str, value: &str) -> bool {
    let is = |found: &Value| match found {
        Value::String(text) => text == value,
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(value)),
        Value::Bool(_) | Value::Number(_) | Value::Null | Value::Object(_) => false,
    };
    if let Some(found) = claims.get(claim) {
        return is(found);
    }
    claim.match_indices('.').any(|(dot, _)| {
        let (outer, inner) = (claim.get(..dot), claim.get(dot + 1..));
        let inside = outer.and_then(|outer| claims.get(outer)?.as_object());
        inside
            .zip(inner)
            .is_some_and(|(inside, inner)| has(inside, inner, value))
    })
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
