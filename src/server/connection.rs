use std::{convert::Infallible, error::Error, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::ServerSettings;
/// What can be served on a connection.
///
/// Nothing but a name for what hyper asks for; it is implemented for all that fits.
pub trait Served:
    Service<Request<Incoming>, Response = Response<Self::Reply>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type Reply: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Served for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
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

/// How the life of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was under way any more.
    Finished,
    /// It was cut while something may have been under way.
    Cut,
}

/// Serves one connection until it ends, is too old, or `stop` was asked for and `force` came.
pub(super) async fn serve<S: Served>(
    stream: TcpStream,
    service: S,
    settings: ServerSettings,
    stop: CancellationToken,
    force: CancellationToken,
) -> End {
    // Nothing comes from a port scanner: a client that speaks HTTP/2 speaks first.
    let mut byte = [0];
    let first_byte = timeout(settings.handshake_timeout, stream.peek(&mut byte));
    // Nor does anything of its own hold up the shutdown.
    let first_byte = stop.run_until_cancelled(first_byte).await;
    let spoke = matches!(first_byte, Some(Ok(Ok(1..))));
    if !spoke || stream.set_nodelay(true).is_err() {
        return End::Finished;
    }
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    // Connections that were opened together must not end together.
    let age = settings
        .max_connection_age
        .mul_f64(rand::random_range(0.9..1.1));
    let patience = tokio::select! {
        // A connection that broke has nothing to tell anyone.
        _ = connection.as_mut() => return End::Finished,
        () = sleep(age) => settings.max_connection_age_grace,
        () = stop.cancelled() => Duration::MAX,
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => End::Finished,
        () = sleep(patience.min(settings.max_connection_age_grace)), if !stop.is_cancelled() => End::Cut,
        () = force.cancelled() => End::Cut,
    }
}
