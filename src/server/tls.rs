//! The certificate that a listener shows, and the certificates that it asks of its callers.
//!
//! [`Tls::renew`] replaces both while connections are open; what cannot be used changes nothing.
use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::WebPkiClientVerifier,
    server::danger::ClientCertVerifier,
};
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, prelude::FromDer, time::ASN1Time};

use super::{handshake_failures::HandshakeFailures, settings::Protocols};
use crate::telemetry::Page;

/// What a listener needs for TLS: the contents of its files.
pub struct TlsMaterial {
    /// The server's certificate and those that lead to its authority, in PEM.
    pub certificates: Vec<u8>,
    /// The key of the server's certificate, in PEM.
    pub key: Vec<u8>,
    /// What callers must show.
    pub callers: ClientCertificates,
}

/// Whether callers show certificates, and the authorities that may have certified them, in PEM.
pub enum ClientCertificates {
    /// They are not asked.
    NotAsked,
    /// A caller may have one; a bad one ends its connection.
    Requested(Vec<u8>),
    /// A caller without one is refused.
    Required(Vec<u8>),
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// There is none in the file.
    #[error("there is no certificate in PEM")]
    NoCertificate,
    /// A certificate is damaged.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// It is over.
    #[error("the certificate expired at {0}")]
    Expired(String),
    /// It begins later.
    #[error("the certificate is valid only from {0}")]
    NotYetValid(String),
    /// There is none in the file, or one of an unknown kind.
    #[error("there is no private key in PEM (PKCS#8, PKCS#1 or SEC1)")]
    NoKey,
    /// A passphrase protects it, and nobody is there to type it.
    #[error("the private key is encrypted; write it without a passphrase, as `openssl pkey` does")]
    EncryptedKey,
    /// It is damaged, or too weak.
    #[error("the private key cannot be used, RSA with less than 2048 bits for example: {0}")]
    UnusableKey(String),
    /// Certificate and key are not a pair.
    #[error("the key is not that of the certificate: {0}")]
    NotAPair(String),
    /// The authorities of callers.
    #[error("the authorities for callers' certificates cannot be used: {0}")]
    Authorities(String),
}

/// One of the files of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// That of the server's certificate.
    Certificate,
    /// That of its key.
    Key,
    /// That of the authorities of callers.
    Authorities,
}

impl TlsError {
    /// The file that is wrong.
    #[must_use]
    pub const fn file(&self) -> TlsFile {
        match self {
            Self::NoCertificate | Self::Unreadable(_) | Self::Expired(_) | Self::NotYetValid(_) => {
                TlsFile::Certificate
            }
            Self::NoKey | Self::EncryptedKey | Self::UnusableKey(_) | Self::NotAPair(_) => {
                TlsFile::Key
            }
            Self::Authorities(_) => TlsFile::Authorities,
        }
    }
}

/// The protocols that are spoken inside TLS, as ALPN calls them.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The same material for each choice of protocols.
struct Configs {
    http2: Arc<ServerConfig>,
    http1_and_2: Arc<ServerConfig>,
}

/// TLS as it is in force on all listeners.
pub struct Tls {
    configs: RwLock<Configs>,
    /// When the certificate expires, in seconds of Unix time.
    expires_at: AtomicI64,
    pub(super) failures: Arc<HandshakeFailures>,
}

impl Tls {
    /// TLS with `material`, at the Unix time `now_seconds`. Failed handshakes are counted in `failures`.
    ///
    /// # Errors
    ///
    /// Why the material cannot be used.
    pub fn new(
        material: &TlsMaterial,
        now_seconds: i64,
        failures: Arc<HandshakeFailures>,
    ) -> Result<Self, TlsError> {
        let (configs, expires_at) = server_configs(material, now_seconds)?;
        Ok(Self {
            configs: RwLock::new(configs),
            expires_at: AtomicI64::new(expires_at),
            failures,
        })
    }

    /// Uses `material` for connections that come from now on.
    ///
    /// # Errors
    ///
    /// Why the material cannot be used; that of before stays.
    pub fn renew(&self, material: &TlsMaterial, now_seconds: i64) -> Result<(), TlsError> {
        let (configs, expires_at) = server_configs(material, now_seconds)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        self.expires_at.store(expires_at, Relaxed);
        Ok(())
    }

    /// What the next handshake uses on a listener that speaks these protocols.
    pub(super) fn config(&self, protocols: Protocols) -> Arc<ServerConfig> {
        let configs = self.configs.read().unwrap_or_else(PoisonError::into_inner);
        match protocols {
            Protocols::Http2 => Arc::clone(&configs.http2),
            Protocols::Http1And2 => Arc::clone(&configs.http1_and_2),
        }
    }

    /// When the certificate in force expires, in seconds of Unix time.
    #[must_use]
    pub fn expires_at_seconds(&self) -> i64 {
        self.expires_at.load(Relaxed)
    }

    /// Writes when the certificate expires.
    pub fn collect(&self, page: &mut Page) {
        let expires_at = u64::try_from(self.expires_at_seconds()).unwrap_or_default();
        page.gauge(
            "catalog_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that callers are shown expires, in Unix time.",
        )
        .sample(&[], expires_at);
    }
}

fn server_configs(material: &TlsMaterial, now_seconds: i64) -> Result<(Configs, i64), TlsError> {
    let chain = certificates(&material.certificates)?;
    let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
    let expires_at = checked_expiry(leaf, now_seconds)?;
    let key = private_key(&material.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unreadable(error.to_string()))?;
    let verifier = match &material.callers {
        ClientCertificates::NotAsked => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Requested(authorities) => verifier(authorities, &provider, true)?,
        ClientCertificates::Required(authorities) => verifier(authorities, &provider, false)?,
    };
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| {
            let is_of_other = matches!(error, rustls::Error::InconsistentKeys(_));
            let problem = if is_of_other {
                TlsError::NotAPair
            } else {
                TlsError::UnusableKey
            };
            problem(error.to_string())
        })?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // A clone shares the sessions that can be resumed.
    let mut http1_and_2 = config.clone();
    http1_and_2.alpn_protocols.push(HTTP1.to_vec());
    let configs = Configs {
        http2: Arc::new(config),
        http1_and_2: Arc::new(http1_and_2),
    };
    Ok((configs, expires_at))
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = certificates.map_err(|error| TlsError::Unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(certificates)
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    const ENCRYPTED: [&[u8]; 2] = [
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        b"Proc-Type: 4,ENCRYPTED",
    ];
    let mut lines = text.split(|byte| *byte == b'\n');
    if lines.any(|line| ENCRYPTED.contains(&line.trim_ascii())) {
        return Err(TlsError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_| TlsError::NoKey)
}

/// When a certificate that is valid `now` expires, in seconds of Unix time.
fn checked_expiry(leaf: &CertificateDer<'_>, now_seconds: i64) -> Result<i64, TlsError> {
    let parsed = X509Certificate::from_der(leaf);
    let (_, leaf) = parsed.map_err(|error| TlsError::Unreadable(error.to_string()))?;
    let validity = leaf.validity();
    let text = |time: ASN1Time| time.to_string();
    if now_seconds > validity.not_after.timestamp() {
        return Err(TlsError::Expired(text(validity.not_after)));
    }
    if now_seconds < validity.not_before.timestamp() {
        return Err(TlsError::NotYetValid(text(validity.not_before)));
    }
    Ok(validity.not_after.timestamp())
}

fn verifier(
    authorities: &[u8],
    provider: &Arc<rustls::crypto::CryptoProvider>,
    is_optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let problem = |error: &dyn ToString| TlsError::Authorities(error.to_string());
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities).map_err(|error| problem(&error))? {
        roots.add(authority).map_err(|error| problem(&error))?;
    }
    let roots = Arc::new(roots);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = if is_optional {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder.build().map_err(|error| problem(&error))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
