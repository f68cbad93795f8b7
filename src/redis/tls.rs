//! What TLS to Redis takes: the authorities that are trusted, and the certificate that is shown to servers.
use bb8_redis::redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::{ExposeSecret, SecretString};

/// What TLS to Redis takes, in PEM.
#[derive(Clone, Debug, Default)]
pub struct RedisTls {
    /// The authorities that are trusted; `None` for those of the machine.
    pub authorities: Option<String>,
    /// What is shown to servers that ask for a certificate.
    pub identity: Option<ClientIdentity>,
}

/// A certificate, those that lead to its authority, and its key. `Debug` does not show the key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    certificates: String,
    key: SecretString,
}

impl ClientIdentity {
    /// Certificates and key in PEM.
    ///
    /// # Errors
    ///
    /// Why they are no pair, in words that repeat nothing of them.
    pub fn new(certificates: String, key: SecretString) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let private = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| "there is no private key in PEM (PKCS#8, PKCS#1 or SEC1)")?;
        CertifiedKey::from_der(chain, private, &ring::default_provider())
            .map_err(|error| format!("the key is not that of the certificate: {error}"))?;
        Ok(Self { certificates, key })
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.certificates == other.certificates
            && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl RedisTls {
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let is_same_identity = match (&self.identity, &other.identity) {
            (Some(own), Some(other)) => own.is_same_as(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        is_same_identity && self.authorities == other.authorities
    }

    /// As the client takes them; `None` for what it does by itself.
    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        if self.authorities.is_none() && self.identity.is_none() {
            return None;
        }
        let identity = self.identity.as_ref();
        Some(TlsCertificates {
            client_tls: identity.map(|identity| ClientTlsConfig {
                client_cert: identity.certificates.clone().into_bytes(),
                client_key: identity.key.expose_secret().as_bytes().to_vec(),
            }),
            root_cert: self.authorities.clone().map(String::into_bytes),
        })
    }
}
