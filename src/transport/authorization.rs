//! Authenticates the caller of a call, and checks that its role allows the method and its rate allows one more call.
//!
//! A connection remembers its last credentials and their principal, so the next call with the same credentials costs one
//! comparison.
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use parking_lot::Mutex;
use tonic::Status;

use super::{
    methods::{Access, Method},
    status,
};
use crate::domain::{Authenticator, CredentialError, Credentials, Principal, Throttle};

/// Who may use server reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReflectionPolicy {
    /// Everybody.
    Everybody,
    /// Every principal, in any role.
    Known,
    /// Nobody: there is none.
    Nobody,
}

/// The peer of a connection, and its last credentials with their principal.
#[derive(Debug, Default)]
pub struct ConnectionIdentity {
    pub(super) address: Option<IpAddr>,
    /// In DER.
    certificate: Option<Bytes>,
    last: Mutex<Option<Remembered>>,
    /// Whether its calls have been of several principals, as those of a proxy are.
    is_shared: AtomicBool,
    throttle: Throttle,
}

#[derive(Debug)]
struct Remembered {
    generation: u64,
    authorization: Option<HeaderValue>,
    principal: Arc<Principal>,
    valid_until: Option<Instant>,
}

impl ConnectionIdentity {
    /// A connection from `address`, by whoever showed `certificate`, in DER. Its `throttle` is asked for pauses where
    /// all its calls are of one principal, who calls too often.
    #[must_use]
    pub fn new(address: IpAddr, certificate: Option<Bytes>, throttle: Throttle) -> Self {
        Self {
            address: Some(address),
            certificate,
            throttle,
            ..Self::default()
        }
    }

    /// Asks for a pause until the caller may call again, unless others would notice.
    fn slow_down(&self, pause: Duration) {
        if !self.is_shared.load(Relaxed) {
            self.throttle.ask(pause);
        }
    }

    /// The principal of the last credentials, if `headers` carry the same ones and they still count.
    fn remembered(
        &self,
        authenticator: &dyn Authenticator,
        headers: &HeaderMap,
        now: Instant,
    ) -> Option<Arc<Principal>> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, others) = (values.next(), values.next());
        let last = self.last.lock();
        let last = last.as_ref()?;
        let holds = others.is_none()
            && last.authorization.as_ref() == value
            && last.generation == authenticator.generation()
            && last.valid_until.is_none_or(|end| now < end);
        holds.then(|| Arc::clone(&last.principal))
    }

    async fn identify(
        &self,
        authenticator: &dyn Authenticator,
        headers: &HeaderMap,
    ) -> Result<Arc<Principal>, CredentialError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next();
        if values.next().is_some() {
            return Err(CredentialError::Malformed("is there twice"));
        }
        // Read first: if the rules change while this authenticates, the next call must authenticate again.
        let generation = authenticator.generation();
        let credentials = Credentials {
            authorization: value.map(HeaderValue::as_bytes),
            certificate: self.certificate.as_deref(),
            address: self.address,
        };
        let identity = authenticator.authenticate(credentials).await?;
        let mut last = self.last.lock();
        if let Some(last) = &*last
            && last.principal.name != identity.principal.name
        {
            self.is_shared.store(true, Relaxed);
        }
        *last = Some(Remembered {
            generation,
            authorization: value.cloned(),
            principal: Arc::clone(&identity.principal),
            valid_until: identity.valid_until,
        });
        Ok(identity.principal)
    }
}

/// Decides which calls are allowed: `admit` is the only place where roles are checked.
#[derive(Clone)]
pub struct CallAccess {
    /// `None` if access control is off: every call is allowed, and `authorization` headers are ignored.
    authenticator: Option<Arc<dyn Authenticator>>,
    reflection: ReflectionPolicy,
}

impl CallAccess {
    /// Allows calls by the principals that `authenticator` finds.
    #[must_use]
    pub fn new(
        authenticator: Option<Arc<dyn Authenticator>>,
        reflection: ReflectionPolicy,
    ) -> Self {
        Self {
            authenticator,
            reflection,
        }
    }

    /// Whether `method` can be called at all.
    pub(super) fn offers(&self, method: &Method) -> bool {
        method.access != Access::Reflection || self.reflection != ReflectionPolicy::Nobody
    }

    /// Authenticates the caller, and checks that its role allows `method` and its rate allows one more call.
    pub(super) async fn admit(
        &self,
        method: &Method,
        headers: &HeaderMap,
        connection: &ConnectionIdentity,
    ) -> CallAdmission {
        let Some(authenticator) = self.authenticator.as_deref() else {
            return CallAdmission::default();
        };
        let needed = match (method.access, self.reflection) {
            (Access::Everybody, _) | (Access::Reflection, ReflectionPolicy::Everybody) => {
                return CallAdmission::default();
            }
            (Access::Reflection, ReflectionPolicy::Known | ReflectionPolicy::Nobody) => None,
            (Access::Role(role), _) => Some(role),
        };
        let now = Instant::now();
        let principal = match connection.remembered(authenticator, headers, now) {
            Some(principal) => principal,
            // Boxed, so that the futures of calls with remembered credentials stay small.
            None => match Box::pin(connection.identify(authenticator, headers)).await {
                Ok(principal) => principal,
                Err(error) => return CallAdmission::refused(status::not_authenticated(error)),
            },
        };
        let refusal = match needed {
            Some(role) if principal.role < role => {
                // A caller without credentials is asked for some; a caller with a lower role is refused.
                Some(if has_credentials(headers, connection) {
                    status::role_missing(&principal, role, method)
                } else {
                    status::not_authenticated(CredentialError::Missing)
                })
            }
            Some(_) | None => {
                let rate = principal.rate.as_ref();
                let taken = rate.map_or(Ok(()), |rate| rate.take(now));
                taken.err().map(|pause| {
                    connection.slow_down(pause);
                    status::call_rate(pause)
                })
            }
        };
        CallAdmission {
            principal: Some(principal),
            refusal,
        }
    }
}

/// Whether a call is allowed, and which principal makes it.
#[derive(Default)]
pub(super) struct CallAdmission {
    /// The principal, if the method needs one and the credentials are known.
    pub(super) principal: Option<Arc<Principal>>,
    /// Why the call is refused; `None` if it is allowed.
    pub(super) refusal: Option<Status>,
}

impl CallAdmission {
    pub(super) fn refused(status: Status) -> Self {
        Self {
            principal: None,
            refusal: Some(status),
        }
    }
}

/// Whether a call brings anything that says who makes it.
pub(super) fn has_credentials(headers: &HeaderMap, connection: &ConnectionIdentity) -> bool {
    headers.contains_key(AUTHORIZATION) || connection.certificate.is_some()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        domain::{CallRate, IdentifiedBy, Identity, Role},
        transport::methods::METHODS,
    };

    /// Knows a caller by the header's text. Each may call ten times at once.
    struct Known([Arc<Principal>; 2]);

    #[async_trait]
    impl Authenticator for Known {
        fn generation(&self) -> u64 {
            1
        }

        async fn authenticate(
            &self,
            credentials: Credentials<'_>,
        ) -> Result<Identity, CredentialError> {
            let is_it =
                |it: &&Arc<Principal>| Some(it.name.as_bytes()) == credentials.authorization;
            let principal = self.0.iter().find(is_it);
            let principal = principal.ok_or(CredentialError::Unknown("token"))?;
            Ok(Identity {
                principal: Arc::clone(principal),
                valid_until: None,
            })
        }
    }

    /// Calls 20 times on one connection as each of `names` in turn; gives how many calls were refused, and whether a pause
    /// was asked for.
    async fn calls_of(names: &[&'static str]) -> (usize, bool) {
        let known = ["one", "two"].map(|name| {
            Arc::new(Principal {
                name: name.to_owned(),
                identified_by: IdentifiedBy::Token,
                role: Role::Viewer,
                may_speak_for_others: false,
                rate: Some(Arc::new(CallRate::new(1))),
            })
        });
        let access = CallAccess::new(Some(Arc::new(Known(known))), ReflectionPolicy::Nobody);
        let throttle = Throttle::default();
        let connection =
            ConnectionIdentity::new(Ipv4Addr::LOCALHOST.into(), None, throttle.clone());
        let method = METHODS
            .iter()
            .find(|it| it.access == Access::Role(Role::Viewer));
        let mut refused = 0;
        for _ in 0..20 {
            for name in names {
                let credentials = (AUTHORIZATION, HeaderValue::from_static(name));
                let headers = HeaderMap::from_iter([credentials]);
                let admission = access.admit(method.unwrap(), &headers, &connection).await;
                refused += usize::from(admission.refusal.is_some());
            }
        }
        (refused, throttle.take().is_some())
    }

    #[tokio::test]
    async fn a_connection_is_paused_where_its_only_caller_calls_too_often() {
        assert_eq!(calls_of(&["one"]).await, (10, true));
    }

    #[tokio::test]
    async fn a_connection_that_several_callers_share_is_not_paused() {
        assert_eq!(calls_of(&["one", "two"]).await, (20, false));
    }
}
