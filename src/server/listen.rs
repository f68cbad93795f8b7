//! Accepts connections up to `max_connections`, serves those beyond it for probes only, and drains all at shutdown.
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ServerSettings,
    coalescing_io::BufferPool,
    connection::{self, End, Served},
    handshake_failures::HandshakeFailures,
    inline_executor::InlineExecutor,
    newest::Newest,
    peer::Peer,
    settings::Protocols,
    tls::Tls,
    unread::UnreadAnswers,
};
use crate::telemetry::{Counter, Failing, FailureLog, Page};

/// The connections of a listener.
#[derive(Debug, Default)]
pub struct Connections {
    opened: Counter,
    closed: Counter,
    /// Connections accepted beyond the limit.
    refused: Counter,
    max: usize,
    stalled: Arc<Counter>,
    unread: Arc<UnreadAnswers>,
    closing: Arc<AtomicBool>,
    /// TLS handshakes that failed.
    pub handshake_failures: Arc<HandshakeFailures>,
}

impl Connections {
    /// No connections yet, and at most `max`.
    #[must_use]
    pub fn at_most(max: usize) -> Self {
        Self {
            max,
            ..Self::default()
        }
    }

    /// From now on, answers over HTTP/1.1 ask their clients to close the connection. Those over HTTP/2 need not: a client
    /// is told which of its calls were not taken.
    pub fn begin_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Writes their metrics.
    pub fn collect(&self, page: &mut Page) {
        let closed = self.closed.get();
        let opened = self.opened.get();
        page.counter("catalog_connections_total", "Client connections accepted.")
            .sample(&[], opened);
        page.gauge("catalog_connections", "Open client connections.")
            .sample(&[], opened.saturating_sub(closed));
        page.gauge(
            "catalog_connections_max",
            "The most client connections that may be open.",
        )
        .sample(&[], self.max);
        page.counter(
            "catalog_connections_refused_total",
            "Client connections beyond the limit: they get health checks and OVERLOADED.",
        )
        .sample(&[], self.refused.get());
        page.counter(
            "catalog_calls_stalled_total",
            "Calls that were cut off because their caller read nothing of the answer for 30 s.",
        )
        .sample(&[], self.stalled.get());
        self.unread.collect(page);
        self.handshake_failures.collect(page);
    }
}

/// The result of the drain at shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not finish in time.
    pub cut: usize,
}

/// Which calls a connection is for.
#[derive(Clone, Debug)]
pub enum Admission {
    /// All calls.
    Ordinary,
    /// Health checks only, because all other connections are taken. Other calls are refused, and the token then closes the
    /// connection.
    Spare(CancellationToken),
}

/// How many connections are kept beyond the maximum, for probes and refusals, which are short.
const SPARE: usize = 64;
/// A spare connection ends after this.
const SPARE_AGE: Duration = Duration::from_secs(5);

/// A socket that listens, with or without TLS.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// TLS, or plain text.
    pub tls: Option<Arc<Tls>>,
    /// What its clients may speak.
    pub protocols: Protocols,
}

/// Serves on `listener` until `stop`, each connection with what `service` makes for its peer; then
/// stops accepting, tells every connection to finish, and cuts what has not finished after the
/// grace. Counts its connections in `open`.
pub async fn serve<S: Served>(
    listener: Listener,
    service: impl Fn(Peer, Admission) -> S + Clone + Send + 'static,
    settings: ServerSettings,
    open: Arc<Connections>,
    stop: CancellationToken,
) -> Drained {
    let unread = Arc::clone(&open.unread);
    let mut serving = Serving {
        room: Arc::new(Semaphore::new(settings.max_connections)),
        crowd: Newest::of(SPARE),
        full: FailureLog::default(),
        running: TaskTracker::new(),
        cut: Arc::default(),
        context: connection::Context {
            settings,
            tls: listener.tls,
            protocols: listener.protocols,
            failures: Arc::clone(&open.handshake_failures),
            buffers: BufferPool::default(),
            closing: Arc::clone(&open.closing),
            stop: stop.clone(),
            force: CancellationToken::new(),
        },
        open,
    };
    let accepting = accept(&listener.socket, |stream, peer| {
        let service = service.clone();
        if let Ok(permit) = Arc::clone(&serving.room).try_acquire_owned() {
            let service = move |peer| service(peer, Admission::Ordinary);
            serving.take((stream, peer), service, permit);
        } else {
            let go = stop.child_token();
            let admission = Admission::Spare(go.clone());
            serving.refuse((stream, peer), move |peer| service(peer, admission), go);
        }
    });
    let looking = unread.keep_looking();
    stop.run_until_cancelled(join(accepting, looking)).await;
    drop(listener.socket);
    serving.end().await
}

/// A listener's connections, and what they share.
struct Serving {
    room: Arc<Semaphore>,
    crowd: Newest,
    full: FailureLog,
    open: Arc<Connections>,
    running: TaskTracker,
    cut: Arc<AtomicUsize>,
    context: connection::Context,
}

/// A connection as it was accepted.
type Accepted = (TcpStream, SocketAddr);

impl Serving {
    fn take<S: Served>(
        &self,
        accepted: Accepted,
        service: impl FnOnce(Peer) -> S + Send + 'static,
        permit: OwnedSemaphorePermit,
    ) {
        if let Some(Failing { failures, lasted }) = self.full.worked() {
            tracing::info!(failures, ?lasted, "there are connections again");
        }
        self.open.opened.add(1);
        let (open, cut) = (Arc::clone(&self.open), Arc::clone(&self.cut));
        let served = self.connection(accepted, service, self.context.clone());
        self.running.spawn(async move {
            if served.await == End::Cut {
                cut.fetch_add(1, Relaxed);
            }
            open.closed.add(1);
            drop(permit);
        });
    }

    /// Serves a connection beyond the maximum with `service`, until `go` is cancelled.
    fn refuse<S: Served>(
        &mut self,
        accepted: Accepted,
        service: impl FnOnce(Peer) -> S + Send + 'static,
        go: CancellationToken,
    ) {
        self.open.refused.add(1);
        if let Some(Failing { failures, lasted }) = self.full.failed() {
            tracing::warn!(
                most = self.context.settings.max_connections,
                failures,
                ?lasted,
                "all connections are taken: further clients get OVERLOADED, and health checks"
            );
        }
        let context = connection::Context {
            settings: self.context.settings.spare(),
            stop: go,
            ..self.context.clone()
        };
        let served = self.connection(accepted, service, context);
        self.running.spawn(self.crowd.one_more(served.map(drop)));
    }

    fn connection<S: Served, F: FnOnce(Peer) -> S + Send + 'static>(
        &self,
        (stream, peer): Accepted,
        service: F,
        context: connection::Context,
    ) -> impl Future<Output = End> + Send + 'static + use<S, F> {
        let stalled = Arc::clone(&self.open.stalled);
        let calls = InlineExecutor::new(context.settings.stall_timeout, stalled);
        let unread = self.open.unread.connection(peer.ip());
        connection::serve(stream, peer, service, (calls, unread), context)
    }

    /// Waits for all of them, and cuts them after the grace.
    async fn end(self) -> Drained {
        self.running.close();
        let finished = timeout(self.context.settings.shutdown_grace, self.running.wait());
        if finished.await.is_err() {
            self.context.force.cancel();
            self.running.wait().await;
        }
        Drained {
            cut: self.cut.load(Relaxed),
        }
    }
}

impl ServerSettings {
    /// Those of a spare connection.
    fn spare(&self) -> Self {
        Self {
            handshake_timeout: self.handshake_timeout.min(SPARE_AGE),
            max_connection_age: SPARE_AGE,
            max_connection_age_grace: Duration::ZERO,
            ..self.clone()
        }
    }
}

/// Accepts for ever.
async fn accept(listener: &TcpListener, mut handle: impl FnMut(TcpStream, SocketAddr)) {
    let outage = FailureLog::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(Failing { failures, lasted }) = outage.worked() {
                    tracing::info!(failures, ?lasted, "connections are accepted again");
                }
                handle(stream, peer);
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

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
