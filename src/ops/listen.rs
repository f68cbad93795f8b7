use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    pin,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Pages;

/// So many connections are open at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// The head of a request may take so long, and an idle connection is kept so long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_MAX_BYTES: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// A connection lives so long, whatever its peer does or does not.
const LIFE: Duration = Duration::from_mins(10);
/// What is being read when the process stops may take so long to end.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves `pages` on `listener` until `stop`, and a moment longer to those that are reading.
pub async fn serve(listener: TcpListener, pages: Arc<Pages>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accepting = async {
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let served = connection(stream, Arc::clone(&pages), stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, say: the connection stays in the queue meanwhile.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections of operators");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    drop(listener);
    connections.close();
    // Who does not read is cut off when the runtime ends.
    let _ = timeout(DRAIN, connections.wait()).await;
}

async fn connection(stream: TcpStream, pages: Arc<Pages>, stop: CancellationToken) {
    let answer = service_fn(move |request| ready(Ok::<_, Infallible>(pages.answer(&request))));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    let served = async {
        pin!(connection);
        tokio::select! {
            // One that broke has nothing to tell anyone.
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    };
    // Whichever comes first.
    let _ = timeout(LIFE, served).await;
}
