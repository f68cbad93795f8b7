use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{self, End, Served},
    gather::Spare,
};
use crate::telemetry::{Counter, Failing, FailureLog, Page};

/// Bounds of listening and leaving.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// More connections wait to be accepted.
    pub max_connections: usize,
    /// A connection must speak within this time.
    pub handshake_timeout: Duration,
    /// Between pings to a connection on which nothing came.
    pub keepalive_interval: Duration,
    /// A ping must be answered within this time.
    pub keepalive_timeout: Duration,
    /// A connection this old, a tenth more or less, is asked to come anew, so
    /// that clients find new replicas.
    pub max_connection_age: Duration,
    /// So long may its calls go on then.
    pub max_connection_age_grace: Duration,
    /// On shutdown: what is under way may take so long to finish.
    pub shutdown_grace: Duration,
}

/// The connections of a listener.
#[derive(Debug, Default)]
pub struct Connections {
    opened: Counter,
    closed: Counter,
}

impl Connections {
    /// Writes their figures.
    pub fn collect(&self, page: &mut Page) {
        let closed = self.closed.get();
        let opened = self.opened.get();
        page.counter(
            "catalog_connections_total",
            "Connections of callers that were accepted.",
        )
        .sample(&[], opened);
        page.gauge(
            "catalog_connections",
            "Connections of callers that are open.",
        )
        .sample(&[], opened.saturating_sub(closed));
    }
}

/// How leaving went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not finish in time.
    pub cut: usize,
}

/// Serves on `listener` until `stop`, each connection with what `service` makes for its peer; then
/// stops accepting, tells every connection to finish, and cuts what has not finished after the
/// grace. Counts its connections in `open`.
pub async fn serve<S: Served>(
    listener: TcpListener,
    service: impl Fn(SocketAddr) -> S,
    settings: ServerSettings,
    open: Arc<Connections>,
    stop: CancellationToken,
) -> Drained {
    let (connections, force) = (TaskTracker::new(), CancellationToken::new());
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let cut = Arc::new(AtomicUsize::new(0));
    let spare = Spare::default();
    let accepting = accept(&listener, &room, |(stream, peer), permit| {
        let (cut, settings) = (Arc::clone(&cut), settings.clone());
        let served = connection::serve(
            (stream, spare.clone()),
            service(peer),
            settings,
            stop.clone(),
            force.clone(),
        );
        open.opened.add(1);
        let open = Arc::clone(&open);
        connections.spawn(async move {
            if served.await == End::Cut {
                cut.fetch_add(1, Relaxed);
            }
            open.closed.add(1);
            drop(permit);
        });
    });
    stop.run_until_cancelled(accepting).await;
    drop(listener);
    connections.close();
    if timeout(settings.shutdown_grace, connections.wait())
        .await
        .is_err()
    {
        force.cancel();
        connections.wait().await;
    }
    Drained {
        cut: cut.load(Relaxed),
    }
}

/// Accepts for ever.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    mut handle: impl FnMut((TcpStream, SocketAddr), OwnedSemaphorePermit),
) {
    let outage = FailureLog::default();
    loop {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok(accepted) => {
                if let Some(Failing { failures, lasted }) = outage.worked() {
                    tracing::info!(failures, ?lasted, "connections are accepted again");
                }
                handle(accepted, permit);
            }
            Err(error) => {
                // Out of file descriptors, say: the connection stays in the queue meanwhile.
                if !is_about_one_connection(&error) {
                    if let Some(Failing { failures, lasted }) = outage.failed() {
                        tracing::warn!(%error, failures, ?lasted, "cannot accept connections");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
