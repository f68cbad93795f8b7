//! Authenticates the caller of a call, and checks that its role allows the method and its rate allows one more call.
//!
//! A connection remembers its last credentials and their principal, so the next call with the same credentials costs one
//! comparison.
use std::{net::IpAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use parking_lot::Mutex;
use tonic::Status;

use super::{
    methods::{Access, Method},
    status,
};
use crate::domain::{Authenticator, CredentialError, Credentials, Principal};

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
#[derive(Debug)]
pub(super) struct ConnectionIdentity {
    pub(super) address: Option<IpAddr>,
    /// In DER.
    certificate: Option<Bytes>,
    last: Mutex<Option<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    generation: u64,
    authorization: Option<HeaderValue>,
    principal: Arc<Principal>,
    valid_until: Option<Instant>,
}

impl ConnectionIdentity {
    pub(super) fn new(address: Option<IpAddr>, certificate: Option<Bytes>) -> Self {
        Self {
            address,
            certificate,
            last: Mutex::default(),
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
                taken.err().map(status::call_rate)
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

fn has_credentials(headers: &HeaderMap, connection: &ConnectionIdentity) -> bool {
    headers.contains_key(AUTHORIZATION) || connection.certificate.is_some()
}
