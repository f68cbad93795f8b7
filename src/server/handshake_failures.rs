//! TLS handshakes that failed: counted by reason, and logged in words.
use std::net::IpAddr;

use crate::telemetry::{Counter, LineLimit, Page};

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The caller speaks no TLS, where TLS is served.
    Plaintext,
    /// The caller speaks TLS, where none is served.
    TlsOnPlaintext,
    /// The caller showed no certificate, and must.
    NoCertificate,
    /// The caller's certificate is expired, or its authority is not one of ours.
    BadCertificate,
    /// The caller ended the handshake: it does not trust our certificate, say.
    RefusedByCaller,
    /// No version, cipher or protocol in common, or a broken message.
    Protocol,
    /// The caller went away.
    Closed,
    /// The caller did not finish in time.
    Timeout,
}

impl Failure {
    const ALL: [Self; 8] = [
        Self::Plaintext,
        Self::TlsOnPlaintext,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::RefusedByCaller,
        Self::Protocol,
        Self::Closed,
        Self::Timeout,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::TlsOnPlaintext => "tls_on_plaintext",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::RefusedByCaller => "refused_by_caller",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
        }
    }

    /// What an operator should know of it.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Plaintext => "a caller spoke no TLS, which is served here; it needs https://",
            Self::TlsOnPlaintext => {
                "a caller spoke TLS, and none is served here; it needs http://, or this server --tls-cert"
            }
            Self::NoCertificate => {
                "a caller showed no certificate, which --tls-client-auth asks for"
            }
            Self::BadCertificate => "a caller's certificate was refused",
            Self::RefusedByCaller => {
                "a caller ended the TLS handshake; it may not trust this server's certificate"
            }
            Self::Protocol => "a TLS handshake failed",
            Self::Closed => "a caller went away within the TLS handshake",
            Self::Timeout => "a caller did not finish the TLS handshake in time",
        }
    }
}

/// Counts failed handshakes by reason. Logs few of them: port scanners and wrong clients come again and again.
#[derive(Debug, Default)]
pub struct HandshakeFailures {
    counts: [Counter; Failure::ALL.len()],
    lines: LineLimit,
}

impl HandshakeFailures {
    pub(super) fn count(
        &self,
        failure: Failure,
        peer: IpAddr,
        problem: Option<&dyn std::fmt::Display>,
    ) {
        if let Some(counter) = self.counts.get(failure as usize) {
            counter.add(1);
        }
        // Scanners and health checks of balancers connect and leave.
        if failure == Failure::Closed {
            return;
        }
        if let Some(left_out) = self.lines.admit() {
            let problem = problem.map(tracing::field::display);
            tracing::warn!(%peer, problem, left_out, "{}; the connection was closed", failure.meaning());
        }
    }

    /// Counts a caller that speaks TLS where none is served.
    pub(super) fn tls_on_plaintext(&self, peer: IpAddr) {
        self.count(Failure::TlsOnPlaintext, peer, None);
    }

    /// Writes the counts.
    pub fn collect(&self, page: &mut Page) {
        let mut family = page.counter(
            "catalog_tls_handshake_failures_total",
            "Connections that were closed because their TLS handshake failed, by reason.",
        );
        for (failure, count) in Failure::ALL.iter().zip(&self.counts) {
            family.sample(&[("reason", failure.label())], count.get());
        }
    }
}
