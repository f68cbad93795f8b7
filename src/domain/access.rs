//! Principals, their roles and their call rates, and the port that authenticates callers.
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use thiserror::Error;

use super::words::{read_by_word, words};

words! {
    /// The role of a principal. Each role may do what the roles before it may.
    #[derive(PartialOrd, Ord)]
    pub enum Role {
        /// Reads the catalog, and has tips streamed.
        Viewer = "viewer",
        /// Edits the catalog as well.
        Editor = "editor",
        /// Operates caches, feature flags, runtime settings and providers of tips as well.
        Operator = "operator",
    }
}

read_by_word!(Role);

/// By what a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifiedBy {
    /// A token of the access file.
    Token,
    /// A client certificate.
    Certificate,
    /// A token that an issuer signed.
    Issuer,
    /// Nothing: the access file lets in callers without credentials.
    Nothing,
}

impl IdentifiedBy {
    /// Its name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Issuer => "issuer",
            Self::Nothing => "anonymous",
        }
    }
}

/// Who calls, by proof, and what they may do.
#[derive(Debug)]
pub struct Principal {
    /// The name in logs, in the history of challenges, and for limits.
    pub name: String,
    /// What proves the name: an issuer's token may name its owner like a token of the access file.
    pub identified_by: IdentifiedBy,
    /// What they may do.
    pub role: Role,
    /// Whether they call for others, whom `x-caller-id` names.
    pub may_speak_for_others: bool,
    /// How often they may call, if that is limited.
    pub rate: Option<Arc<CallRate>>,
}

/// What a call brings to prove who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The value of its `authorization` header.
    pub authorization: Option<&'a [u8]>,
    /// The certificate of its connection, in DER, which TLS has verified.
    pub certificate: Option<&'a [u8]>,
    /// The address of the connection's other end.
    pub address: Option<IpAddr>,
}

/// A principal, and until when that holds.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// When the credentials expire.
    pub valid_until: Option<Instant>,
}

/// Why credentials are refused. The texts are for callers, and repeat nothing of the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// The call has no credentials, and needs some.
    #[error("this call needs credentials: `authorization: Bearer TOKEN`, or a client certificate")]
    Missing,
    /// The `authorization` header does not have the form of a bearer token.
    #[error("the authorization header {0}")]
    Malformed(&'static str),
    /// No rule of the access file knows the credentials.
    #[error("the {0} is not known here")]
    Unknown(&'static str),
    /// The token or client certificate has expired.
    #[error("the token or client certificate has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token is for another server or environment.
    #[error("the token was issued for another audience")]
    OtherAudience,
    /// The token's signature or a claim of it is wrong.
    #[error("the token {0}")]
    Invalid(&'static str),
    /// The keys of the token's issuer cannot be fetched.
    #[error("the keys of the token's issuer cannot be fetched at the moment")]
    KeysUnavailable,
}

/// Finds out who calls.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// A number that changes with the rules: what was found out under another number is to be asked again.
    fn generation(&self) -> u64;

    /// Who has these credentials.
    ///
    /// # Errors
    ///
    /// Why they prove nothing.
    async fn authenticate(&self, credentials: Credentials<'_>)
    -> Result<Identity, CredentialError>;
}

/// How often a principal may call: calls in a minute, of which those of a second may come at once (the generic
/// cell rate algorithm: one number is the whole state). Each replica counts for itself.
#[derive(Debug)]
pub struct CallRate {
    began: Instant,
    /// Between two calls, in nanoseconds.
    interval_nanos: u64,
    /// How far ahead of time calls may come, in nanoseconds.
    burst_nanos: u64,
    /// When the next call is due if all come evenly, in nanoseconds since the beginning.
    due_nanos: AtomicU64,
}

const MINUTE_NANOS: u64 = 60_000_000_000;
const BURST_NANOS: u64 = 1_000_000_000;
/// The least number of calls that may come at once.
const BURST_CALLS: u64 = 10;

impl CallRate {
    /// Allows `per_minute` calls, one at least.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let interval_nanos = MINUTE_NANOS / u64::from(per_minute.max(1));
        Self {
            began: Instant::now(),
            interval_nanos,
            burst_nanos: BURST_NANOS.max(interval_nanos * (BURST_CALLS - 1)),
            due_nanos: AtomicU64::new(0),
        }
    }

    /// Takes a call that came at `now`.
    ///
    /// # Errors
    ///
    /// After how long one may come, if this is too many. It counts for nothing then.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos());
        let now = now.unwrap_or(u64::MAX / 2);
        let mut due = self.due_nanos.load(Relaxed);
        loop {
            let early = due.saturating_sub(now);
            if early > self.burst_nanos {
                return Err(Duration::from_nanos(early - self.burst_nanos));
            }
            let next = due.max(now) + self.interval_nanos;
            match (self.due_nanos).compare_exchange_weak(due, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => due = changed,
            }
        }
    }
}

/// Asks for pauses on a connection whose calls are refused because they are too many. Clones are for the same connection.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<AtomicU64>);

impl Throttle {
    /// Asks for a pause: the next call is let in after so long.
    pub fn ask(&self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Relaxed);
    }

    /// The pause that was asked for since this was called last.
    #[must_use]
    pub fn take(&self) -> Option<Duration> {
        // Most turns of a connection find none, and a load is cheaper.
        let nanos = match self.0.load(Relaxed) {
            0 => 0,
            _ => self.0.swap(0, Relaxed),
        };
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Operator);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("admin".parse::<Role>().is_err());
    }

    #[test]
    fn a_burst_passes_and_then_calls_pass_at_their_rate() {
        let rate = CallRate::new(6_000);
        let at = |millis| rate.began + Duration::from_millis(millis);
        let taken = (0..1_000).filter(|_| rate.take(at(0)).is_ok()).count();
        assert_eq!(taken, 101, "a second's calls and the one that is due");
        let pause = rate.take(at(0)).unwrap_err();
        assert_eq!(pause, Duration::from_millis(10));
        assert_eq!(rate.take(at(10)), Ok(()));
        assert!(rate.take(at(10)).is_err());
        let later = (0..1_000).filter(|_| rate.take(at(60_000)).is_ok());
        assert_eq!(later.count(), 101, "no more for those who waited long");
    }

    #[test]
    fn who_may_call_seldom_may_still_call_a_few_times_at_once() {
        let rate = CallRate::new(1);
        let taken = (0..100).filter(|_| rate.take(rate.began).is_ok()).count();
        assert_eq!(taken, 10);
        let pause = rate.take(rate.began).unwrap_err();
        assert_eq!(pause, Duration::from_mins(1));
    }
}
