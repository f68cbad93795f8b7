//! The peer of a connection: its address, and its certificate.
use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;

/// The other end of a connection: its address, and the certificate that it showed.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Its own certificate, which one of the authorities that are trusted here has certified.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Peer {
    /// One without a certificate.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
        }
    }
}
