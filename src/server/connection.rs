//! Serves one connection, from its first byte to its last: HTTP/2, and HTTP/1.1 on listeners that speak it.
use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use hyper::{server::conn::http2, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    ServerSettings,
    coalescing_io::{BufferPool, CoalescingIo},
    handshake::{farewell, handshake},
    handshake_failures::HandshakeFailures,
    inline_executor::InlineExecutor,
    peer::Peer,
    read_pauses::ReadPauses,
    settings::Protocols,
    tls::Tls,
    turns::Turns,
    unread::UnreadHere,
    waits::{RequestBody, WaitTracking},
};

/// What can be served on a connection.
///
/// Nothing but a name for what hyper asks for; it is implemented for all that fits.
pub trait Served:
    Service<
        Request<RequestBody>,
        Response = Response<Self::Reply>,
        Error = Infallible,
        Future: Send + Unpin,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type Reply: Body<Data: Buf + Send + Unpin, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;
}

impl<S, B> Served for S
where
    S: Service<
            Request<RequestBody>,
            Response = Response<B>,
            Error = Infallible,
            Future: Send + Unpin,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data: Buf + Send + Unpin, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    type Reply = B;
}

/// The most streams that one connection may have open.
const STREAMS_MAX: u32 = 200;
/// Streams that a client opened and reset before they were taken; h2's 20 cuts
/// off honest clients that cancel under load.
const PENDING_RESETS_MAX: usize = 1024;
/// Room for what is under way on one connection.
const WINDOW_BYTES: u32 = 1 << 20;
const HEADERS_MAX_BYTES: u32 = 16 << 10;
/// How long an HTTP/1.1 connection may take for the head of its next request, idle or not. Proxies keep idle
/// connections for a minute, and must be the first to close them.
const HTTP1_IDLE: Duration = Duration::from_secs(75);
/// Request line and headers of an HTTP/1.1 request. There may be a hundred headers: hyper needs no heap for so many, and
/// would for any other number that it is told.
const HTTP1_HEAD_MAX_BYTES: usize = 32 << 10;

/// At shutdown, a connection that was idle for this long is closed.
const QUIET: Duration = Duration::from_secs(1);
/// How often that is looked at in this time.
const LOOKS: u32 = 4;

/// How the life of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was under way any more.
    Finished,
    /// It was cut while something may have been under way.
    Cut,
}

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) settings: ServerSettings,
    /// TLS, where it is spoken.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) protocols: Protocols,
    pub(super) failures: Arc<HandshakeFailures>,
    pub(super) buffers: BufferPool,
    /// Whether answers over HTTP/1.1 ask clients to close.
    pub(super) closing: Arc<AtomicBool>,
    /// Asks connections to finish.
    pub(super) stop: CancellationToken,
    /// Cuts them.
    pub(super) force: CancellationToken,
}

/// Length of the preface that HTTP/2 clients send first. A request of HTTP/1.1 is longer.
const BEGINNING_BYTES: u64 = 24;
/// The first byte of a TLS handshake; HTTP/2 begins with a letter.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves one connection until it ends, is too old, or is asked to stop and then forced to.
///
/// `service` is made for the caller when it is known, and `calls` runs its calls.
pub(super) async fn serve<S: Served>(
    stream: TcpStream,
    peer: SocketAddr,
    service: impl FnOnce(Peer) -> S,
    (calls, unread): (InlineExecutor, UnreadHere),
    context: Context,
) -> End {
    // Nothing comes from a port scanner: a client speaks first, be it TLS or HTTP/2.
    let mut byte = [0];
    let deadline = Instant::now() + context.settings.handshake_timeout;
    let first_byte = timeout_at(deadline, stream.peek(&mut byte));
    // Nor does anything of its own hold up the shutdown.
    let first_byte = context.stop.run_until_cancelled(first_byte).await;
    let spoke = matches!(first_byte, Some(Ok(Ok(1..))));
    if !spoke || stream.set_nodelay(true).is_err() {
        return End::Finished;
    }
    let mut peer = Peer::plain(peer);
    let parts = (calls, ReadPauses::new(peer.throttle.clone()), unread);
    let Some(tls) = context.tls.clone() else {
        if byte == [TLS_HANDSHAKE] {
            context.failures.tls_on_plaintext(peer.address.ip());
            let _ = timeout_at(deadline, answer_in_plain_text(stream)).await;
            return End::Finished;
        }
        return serve_http(stream, service(peer), parts, context).await;
    };
    let secured = handshake(
        (&tls, context.protocols),
        stream,
        peer.address.ip(),
        deadline,
    );
    let secured = context.stop.run_until_cancelled(secured).await;
    let Some(Some(secured)) = secured else {
        return End::Finished;
    };
    peer.certificate = secured.certificate;
    // Boxed, so that connections without TLS do not pay for the room that it needs.
    Box::pin(serve_http(secured.stream, service(peer), parts, context)).await
}

/// Answers a TLS client in plain text, because this listener has no TLS: the client's library then says so.
async fn answer_in_plain_text(mut stream: TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(ANSWER).await?;
    farewell(stream).await
}

async fn serve_http<S: Served>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: S,
    (calls, pauses, unread): (InlineExecutor, ReadPauses, UnreadHere),
    context: Context,
) -> End {
    let socket = CoalescingIo::new(stream, context.buffers.clone());
    let io = TokioIo::new(socket.clone());
    let (cut, closing) = (unread.cut(), Arc::clone(&context.closing));
    let service = WaitTracking::new(service, unread.bytes(), closing);
    let turns = Turns {
        socket: socket.clone(),
        calls: calls.clone(),
        pauses,
        unread,
    };
    let served = async {
        match context.protocols {
            Protocols::Http2 => {
                let builder = http2_builder(&calls, &context.settings);
                let connection = pin!(builder.serve_connection(io, service));
                let finish = http2::Connection::graceful_shutdown;
                run(connection, finish, turns, &context).await
            }
            Protocols::Http1And2 => {
                let builder = any_builder(&calls, &context.settings);
                // Boxed, because it is larger than all that gRPC needs.
                let mut connection = Box::pin(builder.serve_connection(io, service));
                let connection = connection.as_mut();
                let finish = auto::Connection::graceful_shutdown;
                let served = run(connection, finish, turns, &context);
                let stalled = stalled(&socket, context.settings.stall_timeout);
                tokio::select! {
                    biased;
                    end = served => end,
                    () = stalled => {
                        calls.count_stalled();
                        End::Finished
                    }
                }
            }
        }
    };
    tokio::select! {
        biased;
        end = served => end,
        () = cut.cancelled() => End::Finished,
    }
}

fn http2_builder(
    calls: &InlineExecutor,
    settings: &ServerSettings,
) -> http2::Builder<InlineExecutor> {
    let mut builder = http2::Builder::new(calls.clone());
    builder
        .timer(TokioTimer::new())
        // gRPC has no use for it.
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    builder
}

fn any_builder(calls: &InlineExecutor, settings: &ServerSettings) -> auto::Builder<InlineExecutor> {
    let mut builder = auto::Builder::new(calls.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP1_IDLE)
        .max_buf_size(HTTP1_HEAD_MAX_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    builder
}

/// Runs `connection` to its end, and lets `finish` ask it to come to one when it is too old or the server stops.
async fn run<C: Future, S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Pin<&mut C>,
    finish: impl FnOnce(Pin<&mut C>),
    mut turns: Turns<S>,
    context: &Context,
) -> End {
    let Context {
        settings,
        stop,
        force,
        ..
    } = context;
    let (socket, calls) = (turns.socket.clone(), turns.calls.clone());
    // Connections that were opened together must not end together.
    let age = settings
        .max_connection_age
        .mul_f64(rand::random_range(0.9..1.1));
    let patience = tokio::select! {
        // Biased: the connection is polled first.
        biased;
        // A connection that broke has nothing to tell anyone.
        () = turns.run(connection.as_mut()) => return End::Finished,
        () = sleep(age) => Some(settings.max_connection_age_grace),
        () = says_nothing(&socket, settings.handshake_timeout) => return End::Finished,
        () = stop.cancelled() => None,
    };
    finish(connection.as_mut());
    let left = async {
        stop.cancelled().await;
        nobody_there(&socket, &calls).await;
    };
    tokio::select! {
        // The connection is polled first, so that GOAWAY is sent even without a grace period.
        biased;
        () = turns.run(connection.as_mut()) => End::Finished,
        () = sleep(patience.unwrap_or_default()), if patience.is_some() => End::Cut,
        () = left => if calls.has_waiting() { End::Cut } else { End::Finished },
        () = force.cancelled() => End::Cut,
    }
}

/// Waits until a client has had `limit` to begin, and has not; for ever if it has.
async fn says_nothing<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &CoalescingIo<S>,
    limit: Duration,
) {
    sleep(limit).await;
    if socket.received() >= BEGINNING_BYTES {
        std::future::pending::<()>().await;
    }
}

/// Waits until a client has taken nothing for `limit` of what is there for it. HTTP/1.1 has no calls of its own that
/// could be cancelled.
async fn stalled<S: AsyncRead + AsyncWrite + Unpin>(socket: &CoalescingIo<S>, limit: Duration) {
    let (mut before, mut quiet) = (socket.moved(), 0);
    while quiet < LOOKS {
        sleep(limit / LOOKS).await;
        let now = socket.moved();
        let is_quiet = now == before && socket.has_gathered();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        before = now;
    }
}

/// Waits until a client is as good as gone: it says nothing and takes nothing, though it was asked
/// to come to an end, and no call waits for this replica.
async fn nobody_there<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &CoalescingIo<S>,
    calls: &InlineExecutor,
) {
    let (mut before, mut quiet) = (socket.moved(), 0);
    while quiet < LOOKS {
        sleep(QUIET / LOOKS).await;
        let now = socket.moved();
        let is_quiet = now == before && !calls.is_at_work();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        before = now;
    }
}
