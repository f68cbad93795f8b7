//! The TLS handshake of one connection, within a time limit.
use std::{io, net::IpAddr, sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{handshake_failures::Failure, settings::Protocols, tls::Tls};

/// A connection after its handshake, with the certificate that the caller showed.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) certificate: Option<CertificateDer<'static>>,
}

/// Does the handshake of a connection from `peer` until `deadline`. `None`: it failed, and was counted.
pub(super) async fn handshake(
    (tls, protocols): (&Tls, Protocols),
    stream: TcpStream,
    peer: IpAddr,
    deadline: Instant,
) -> Option<Secured> {
    let accepting = TlsAcceptor::from(tls.config(protocols)).accept(stream);
    let accepting = accepting.into_fallible();
    let failures = Arc::clone(&tls.failures);
    match timeout_at(deadline, accepting).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|chain| chain.first());
            let certificate = certificate.map(|it| it.clone().into_owned());
            Some(Secured {
                stream,
                certificate,
            })
        }
        Ok(Err((error, stream))) => {
            failures.count(failure_of(&error), peer, Some(&error));
            let _ = timeout_at(deadline.min(Instant::now() + FAREWELL), farewell(stream)).await;
            None
        }
        Err(_) => {
            failures.count(Failure::Timeout, peer, None);
            None
        }
    }
}

/// How long a client may take to read why it was refused.
const FAREWELL: Duration = Duration::from_secs(1);

/// Ends a connection so that its client reads what was said last. What it goes on to send is read: unread, it would turn
/// the end of the connection into a reset, and the last words would be lost.
pub(super) async fn farewell(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut sent = [0; 1024];
    while stream.read(&mut sent).await? > 0 {}
    Ok(())
}

fn failure_of(error: &io::Error) -> Failure {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        None => Failure::Closed,
        Some(rustls::Error::InvalidMessage(_)) => Failure::Plaintext,
        Some(rustls::Error::NoCertificatesPresented) => Failure::NoCertificate,
        Some(rustls::Error::InvalidCertificate(_)) => Failure::BadCertificate,
        Some(rustls::Error::AlertReceived(_)) => Failure::RefusedByCaller,
        Some(_) => Failure::Protocol,
    }
}
