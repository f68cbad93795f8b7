//! The peer of a connection: its address, its certificate, and how to slow it down.
use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;

use crate::domain::Throttle;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Its own certificate, which one of the authorities that are trusted here has certified.
    pub certificate: Option<CertificateDer<'static>>,
    /// Asks for pauses before more of its calls are read.
    pub throttle: Throttle,
}

impl Peer {
    /// One without a certificate.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            throttle: Throttle::default(),
        }
    }
}
