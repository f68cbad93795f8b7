//! The HTTP listener for operators.
use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    pin,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Pages;
use crate::{
    server::Newest,
    telemetry::{Failing, FailureLog},
};

/// How many connections are open at once; a further one takes the place of the oldest.
const CONNECTIONS_MAX: usize = 64;
/// How long the head of a request may take, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_MAX_BYTES: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// Longest life of a connection, whatever its peer does.
const LIFE: Duration = Duration::from_mins(10);
/// How long requests may take to finish at shutdown.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves `pages` on `listener` until `stop`, and a moment longer to those that are reading.
pub async fn serve(listener: TcpListener, pages: Arc<Pages>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let (outage, mut open) = (FailureLog::default(), Newest::of(CONNECTIONS_MAX));
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    if let Some(Failing { failures, lasted }) = outage.worked() {
                        tracing::info!(
                            failures,
                            ?lasted,
                            "connections of operators are accepted again"
                        );
                    }
                    let served = connection(stream, Arc::clone(&pages), stop.clone());
                    connections.spawn(open.one_more(served));
                }
                // Out of file descriptors, say: the connection stays in the queue meanwhile.
                Err(error) => {
                    if let Some(Failing { failures, lasted }) = outage.failed() {
                        tracing::warn!(
                            %error, failures, ?lasted,
                            "cannot accept connections of operators"
                        );
                    }
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    struct Scene {
        addr: std::net::SocketAddr,
        stop: CancellationToken,
        serving: JoinHandle<()>,
    }

    impl Scene {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let pages = Arc::new(Pages {
                metrics: Box::new(|| "up 1\n".to_owned()),
                checks: Box::new(Vec::new),
                settings: bytes::Bytes::new(),
            });
            let stop = CancellationToken::new();
            let serving = TaskTracker::new().spawn(serve(listener, pages, stop.clone()));
            Self {
                addr,
                stop,
                serving,
            }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.addr).await.unwrap()
        }
    }

    const QUESTION: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Asks, and reads the beginning of the answer.
    async fn ask(stream: &mut TcpStream) -> usize {
        stream.write_all(QUESTION).await.unwrap();
        stream.read(&mut [0; 1024]).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed() {
        let scene = Scene::new().await;
        let (mut silent, opened) = (scene.connect().await, Instant::now());
        silent.write_all(b"GET /met").await.unwrap();
        assert_eq!(silent.read(&mut [0; 64]).await.unwrap_or(0), 0);
        let waited = opened.elapsed();
        assert!(waited >= HEAD_TIMEOUT && waited < LIFE, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_connection_too_many_takes_the_place_of_the_oldest() {
        let scene = Scene::new().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(scene.connect().await);
        }
        let mut late = scene.connect().await;
        assert!(ask(&mut late).await > 0);
        assert_eq!(silent[0].read(&mut [0; 64]).await.unwrap_or(0), 0);
        assert!(ask(&mut silent[1]).await > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_or_slow_does_not_hold_up_the_end() {
        let scene = Scene::new().await;
        let (mut idle, mut slow) = (scene.connect().await, scene.connect().await);
        assert!(ask(&mut idle).await > 0);
        slow.write_all(b"GET /met").await.unwrap();
        let stopped = Instant::now();
        scene.stop.cancel();
        scene.serving.await.unwrap();
        assert!(stopped.elapsed() <= DRAIN, "{:?}", stopped.elapsed());
        assert_eq!(idle.read(&mut [0; 64]).await.unwrap(), 0);
    }
}
