//! A front that speaks TLS for a server that does not, as a mesh or a balancer does.
use std::{net::SocketAddr, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

/// A front that lives as long as the value, on the test's runtime.
pub struct TlsFront {
    port: u16,
    certificate: String,
    _tasks: JoinSet<()>,
}

impl TlsFront {
    /// Shows a certificate for `localhost`, made for this test, to the callers of `server`.
    pub async fn before(server: SocketAddr) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            server,
        ));
        Self {
            port,
            certificate: cert.pem(),
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What to trust, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A caller that does not trust it hangs up, as it should.
            let Ok(mut front) = acceptor.accept(stream).await else {
                return;
            };
            let mut back = TcpStream::connect(server).await.unwrap();
            copy_bidirectional(&mut front, &mut back).await.ok();
        });
    }
}
