//! The listeners of the server: addresses, TLS, and what each one offers.
use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::error::Error;
use crate::{
    config::ServerConfig,
    server::{self, Admission, Connections, Listener, Peer, Protocols, ServerSettings, Tls},
    transport::{Edge, Offer},
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
    pub(super) health: Option<TcpListener>,
    pub(super) ops: Option<TcpListener>,
}

impl Listeners {
    /// Listens on the addresses of `config`.
    ///
    /// # Errors
    ///
    /// Which address cannot be had, and why.
    pub(super) fn bind(config: &ServerConfig) -> Result<Self, Error> {
        let optional = |addr: Option<SocketAddr>, flag| addr.map(|addr| bind(addr, flag));
        Ok(Self {
            grpc: bind(config.grpc_addr, "--grpc-addr")?,
            admin: optional(config.admin_addr, "--admin-addr").transpose()?,
            health: optional(config.health_addr, "--health-addr").transpose()?,
            ops: optional(config.ops_addr, "--ops-addr").transpose()?,
        })
    }

    /// Serves `edge` on all but the operator pages until `drain`, each listener with what it offers. The task
    /// gives how many connections were cut at the end.
    pub(super) fn serve(
        self,
        edge: &Edge,
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
        let listeners = [
            (Some(self.grpc), tls, offer, settings.clone()),
            (
                self.admin,
                tls,
                Offer::Everything,
                at_most(ADMIN_CONNECTIONS_MAX),
            ),
            (
                self.health,
                None,
                Offer::Health,
                at_most(HEALTH_CONNECTIONS_MAX),
            ),
        ];
        let serving = listeners
            .into_iter()
            .filter_map(|(socket, tls, offer, settings)| {
                let listener = Listener {
                    socket: socket?,
                    tls: tls.cloned(),
                    protocols: Protocols::Http2,
                };
                let edge = edge.clone();
                let facing = move |peer: Peer, admission| {
                    let certificate = peer.certificate.map(|it| Bytes::from(it.to_vec()));
                    let edge = edge.facing(peer.address.ip(), certificate, offer);
                    match admission {
                        Admission::Ordinary => edge,
                        Admission::Spare(go) => edge.for_probes(go),
                    }
                };
                let (open, drain) = (Arc::clone(open), drain.clone());
                Some(server::serve(listener, facing, settings, open, drain))
            });
        let serving = futures_util::future::join_all(serving);
        tasks.spawn(async move { serving.await.iter().map(|drained| drained.cut).sum() })
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
