//! The listeners of the server: addresses, TLS, and what each one offers.
use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::error::Error;
use crate::{
    config::{HttpConfig, ServerConfig},
    http::HttpService,
    server::{self, Admission, Connections, Listener, Peer, Protocols, ServerSettings, Tls},
    transport::{ConnectionIdentity, Edge, Offer},
};

/// Connections that may wait to be accepted, such as those of all clients of a replica that was replaced.
/// The system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// Operators are few, and probes are short.
const ADMIN_CONNECTIONS_MAX: usize = 1_000;
const HEALTH_CONNECTIONS_MAX: usize = 64;

/// The sockets that listen, not yet served.
pub(super) struct Listeners {
    pub(super) grpc: TcpListener,
    pub(super) admin: Option<TcpListener>,
    pub(super) http: Option<TcpListener>,
    pub(super) health: Option<TcpListener>,
    pub(super) ops: Option<TcpListener>,
}

impl Listeners {
    /// Listens on the addresses of `config` and `http`.
    ///
    /// # Errors
    ///
    /// Which address cannot be had, and why.
    pub(super) fn bind(config: &ServerConfig, http: &HttpConfig) -> Result<Self, Error> {
        let optional = |addr: Option<SocketAddr>, flag| addr.map(|addr| bind(addr, flag));
        Ok(Self {
            grpc: bind(config.grpc_addr, "--grpc-addr")?,
            admin: optional(config.admin_addr, "--admin-addr").transpose()?,
            http: optional(http.addr, "--http-addr").transpose()?,
            health: optional(config.health_addr, "--health-addr").transpose()?,
            ops: optional(config.ops_addr, "--ops-addr").transpose()?,
        })
    }

    /// Serves `services` on all but the operator pages until `drain`, each listener with what it offers. The task
    /// gives how many connections were cut at the end.
    pub(super) fn serve(
        self,
        services: &Services,
        tls: Option<&Arc<Tls>>,
        settings: &ServerSettings,
        open: &Arc<Connections>,
        drain: &CancellationToken,
        tasks: &TaskTracker,
    ) -> tokio::task::JoinHandle<usize> {
        let offer = match self.admin {
            Some(_) => Offer::Reads,
            None => Offer::Everything,
        };
        let at_most = |most: usize| ServerSettings {
            max_connections: settings.max_connections.min(most),
            ..settings.clone()
        };
        let few = at_most(ADMIN_CONNECTIONS_MAX);
        let fewer = at_most(HEALTH_CONNECTIONS_MAX);
        let mut serving = Vec::new();
        let listeners = [
            (Some(self.grpc), tls, offer, settings.clone()),
            (self.admin, tls, Offer::Everything, few),
            (self.health, None, Offer::Health, fewer),
        ];
        for (socket, tls, offer, settings) in listeners {
            let Some(socket) = socket else { continue };
            let listener = Listener {
                socket,
                tls: tls.cloned(),
                protocols: Protocols::Http2,
            };
            let edge = services.edge.clone();
            let facing = move |peer: Peer, admission| facing(&edge, peer, admission, offer);
            let (open, drain) = (Arc::clone(open), drain.clone());
            serving.push(server::serve(listener, facing, settings, open, drain).boxed());
        }
        if let (Some(socket), Some(http)) = (self.http, services.http.clone()) {
            let listener = Listener {
                socket,
                tls: tls.cloned(),
                protocols: Protocols::Http1And2,
            };
            let edge = services.edge.clone();
            let facing =
                move |peer: Peer, admission| http.facing(facing(&edge, peer, admission, offer));
            let (open, drain) = (Arc::clone(open), drain.clone());
            let settings = settings.clone();
            serving.push(server::serve(listener, facing, settings, open, drain).boxed());
        }
        let serving = join_all(serving);
        tasks.spawn(async move { serving.await.iter().map(|drained| drained.cut).sum() })
    }
}

/// What is served.
pub(super) struct Services {
    pub(super) edge: Edge,
    pub(super) http: Option<HttpService>,
}

/// The entry of calls for one connection.
fn facing(edge: &Edge, peer: Peer, admission: Admission, offer: Offer) -> Edge {
    let certificate = peer.certificate.map(|it| Bytes::from(it.to_vec()));
    let connection = ConnectionIdentity::new(peer.address.ip(), certificate, peer.throttle);
    let edge = edge.facing(connection, offer);
    match admission {
        Admission::Ordinary => edge,
        Admission::Spare(go) => edge.for_probes(go),
    }
}

fn bind(addr: SocketAddr, flag: &str) -> Result<TcpListener, Error> {
    let listening = || {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error: io::Error| {
        format!("cannot listen on {addr}: {error}; is another server running there? try {flag}")
            .into()
    })
}
