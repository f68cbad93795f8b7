//! What one caller does, or does not do, and what others notice of it.
use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;

use super::*;

fn settings(stall_timeout: Duration) -> ServerSettings {
    ServerSettings {
        max_connections: 10,
        handshake_timeout: Duration::from_secs(10),
        keepalive_interval: Duration::from_hours(1),
        keepalive_timeout: Duration::from_secs(20),
        max_connection_age: Duration::from_hours(1),
        max_connection_age_grace: Duration::from_mins(1),
        stall_timeout,
        shutdown_grace: Duration::from_secs(20),
    }
}

fn plain(socket: TcpListener) -> Listener {
    Listener {
        socket,
        tls: None,
        protocols: Protocols::Http2,
    }
}

/// Serves `answer` to everybody while a client, with a window of `window` bytes, makes one call; gives what
/// `take` makes of the answer's body, and how many calls were ended for taking nothing for `stall_timeout`.
async fn called<T>(
    answer: &'static [u8],
    window: u32,
    stall_timeout: Duration,
    take: impl AsyncFnOnce(Incoming) -> T,
) -> (T, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (open, stop) = (Arc::new(Connections::default()), CancellationToken::new());
    let service = move |_: Peer, _| {
        service_fn(move |_| ready(Ok::<_, Infallible>(Response::new(Full::new(answer)))))
    };
    let settings = settings(stall_timeout);
    let server = serve(plain(listener), service, settings, Arc::clone(&open), stop);
    let calling = async {
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window);
        let client = client.handshake(TokioIo::new(stream.unwrap())).await;
        let (mut sender, connection) = client.unwrap();
        let request = Request::get("http://server/").body(Empty::<Bytes>::new());
        let call = async {
            let response = sender.send_request(request.unwrap()).await.unwrap();
            assert_eq!(open.stalled.get(), 0);
            take(response.into_body()).await
        };
        tokio::select! {
            taken = call => taken,
            ended = connection => panic!("the connection ended: {ended:?}"),
        }
    };
    tokio::select! {
        taken = calling => (taken, open.stalled.get()),
        drained = server => panic!("the server ended: {drained:?}"),
    }
}

#[tokio::test]
async fn a_call_whose_caller_takes_nothing_is_ended_and_counted() {
    let take = async |body: Incoming| body.collect().await.map(drop);
    let (taken, stalled) = called(b"answer", 0, Duration::from_secs(1), take).await;
    assert!(taken.is_err(), "it is reset");
    assert_eq!(stalled, 1);
}

#[tokio::test]
async fn a_call_whose_caller_takes_a_large_answer_slowly_goes_on() {
    const BYTES: usize = 256 << 10;
    static ANSWER: [u8; BYTES] = [7; BYTES];
    let (began, stall_timeout) = (Instant::now(), Duration::from_secs(2));
    let take = async |mut body: Incoming| {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
            sleep(stall_timeout / 10).await;
        }
        bytes
    };
    let (taken, stalled) = called(&ANSWER, 32 << 10, stall_timeout, take).await;
    assert_eq!((taken, stalled), (BYTES, 0));
    assert!(began.elapsed() > stall_timeout, "it took long enough");
}

/// How many calls of one connection arrive before anything is accepted.
const CROWD: usize = 100;

/// A client that has sent `calls` requests with long heads, and the future that reads its answers.
async fn asks(addr: SocketAddr, path: &str, calls: usize) -> impl Future<Output = ()> + use<> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let client = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, mut connection) = client.unwrap();
    let answers = (0..calls).map(|call| {
        // As no two are alike, none is shortened.
        let long: String = (0..20)
            .flat_map(|n| (call * 7919 + n * 104_729).to_string().into_bytes())
            .map(char::from)
            .collect();
        let request = Request::get(format!("http://server/{path}/{long}"));
        sender
            .clone()
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
    });
    let mut answers = join_all(answers);
    // All is written to the socket when the connection has nothing more to do.
    for _ in 0..10 {
        assert!(futures_util::poll!(&mut answers).is_pending());
        assert!(futures_util::poll!(&mut connection).is_pending());
    }
    async move {
        let _sender = sender;
        tokio::select! {
            answers = answers => assert!(answers.iter().all(Result::is_ok)),
            ended = connection => panic!("the connection ended: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_with_many_calls_lets_others_have_their_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let crowd = asks(addr, "crowd", CROWD).await;
    let probe = asks(addr, "probe", 1).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let before_probe = Arc::new(AtomicUsize::new(usize::MAX));
    let (answered_in, before_in) = (Arc::clone(&answered), Arc::clone(&before_probe));
    let service = move |_: Peer, _| {
        let (answered, before_probe) = (Arc::clone(&answered_in), Arc::clone(&before_in));
        service_fn(move |request: Request<_>| {
            if request.uri().path().starts_with("/probe") {
                before_probe.store(answered.load(Relaxed), Relaxed);
            } else {
                answered.fetch_add(1, Relaxed);
            }
            ready(Ok::<_, Infallible>(Response::new(Full::new(
                &b"answer"[..],
            ))))
        })
    };
    let open = Arc::new(Connections::default());
    let server = serve(
        plain(listener),
        service,
        settings(Duration::from_mins(1)),
        open,
        CancellationToken::new(),
    );
    tokio::select! {
        _ = async { tokio::join!(crowd, probe) } => {}
        drained = server => panic!("the server ended: {drained:?}"),
    }
    let before = before_probe.load(Relaxed);
    assert!(before < CROWD, "{before} of {CROWD} went first");
}

#[tokio::test]
async fn a_client_that_leaves_too_much_unread_is_cut_and_others_are_served() {
    const BYTES: usize = 1 << 20;
    static ANSWER: [u8; BYTES] = [7; BYTES];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let open = Arc::new(Connections::default());
    let service = move |_: Peer, _| {
        service_fn(move |_| ready(Ok::<_, Infallible>(Response::new(Full::new(&ANSWER[..])))))
    };
    let settings = settings(Duration::from_mins(1));
    let server = serve(
        plain(listener),
        service,
        settings,
        open,
        CancellationToken::new(),
    );
    let connect = async |window: u32| {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window);
        client.handshake(TokioIo::new(stream)).await.unwrap()
    };
    let request = || {
        Request::get("http://server/")
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let calling = async {
        let (mut reader, reading) = connect(1 << 20).await;
        let (mut hoarder, hoarding) = connect(0).await;
        let first: Vec<_> = (0..100).map(|_| hoarder.send_request(request())).collect();
        // Its answers are there, and nobody takes them; a second later that is neglect.
        let hoard = async {
            let answers = join_all(first).await;
            sleep(Duration::from_secs(1)).await;
            (answers, hoarder.send_request(request()).await)
        };
        let (_answers, _) = tokio::join!(hoard, hoarding);
        let read = async {
            let answer = reader.send_request(request()).await.unwrap();
            answer.into_body().collect().await.unwrap().to_bytes().len()
        };
        tokio::select! {
            bytes = read => assert_eq!(bytes, BYTES),
            ended = reading => panic!("the connection ended: {ended:?}"),
        }
    };
    tokio::select! {
        () = calling => {}
        drained = server => panic!("the server ended: {drained:?}"),
    }
}
