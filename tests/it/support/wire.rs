//! HTTP/2 by hand, for requests that no gRPC client sends.
use std::{convert::Infallible, net::SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream, stream::BoxStream};
use http::{HeaderMap, Request, Response, StatusCode, request::Builder};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::Status;

/// What came back.
pub struct Answer {
    /// The HTTP status; gRPC's own refusals have 200.
    pub http: StatusCode,
    pub headers: HeaderMap,
    /// Body and trailers.
    pub body: Bytes,
    trailers: HeaderMap,
}

impl Answer {
    /// What gRPC says, in the trailers or, without a body, in the headers.
    pub fn status(&self) -> Status {
        Status::from_header_map(&self.trailers)
            .or_else(|| Status::from_header_map(&self.headers))
            .expect("a gRPC status")
    }
}

/// A gRPC request as it should be, without its body.
pub fn grpc(path: &str) -> Builder {
    Request::post(format!("http://replica{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// A message with its prefix: a flag, and the length.
pub fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// Sends one request on a connection of its own.
pub async fn send(addr: SocketAddr, request: Builder, body: impl Into<Bytes>) -> Answer {
    let stream = TcpStream::connect(addr).await.unwrap();
    let client = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = client.await.unwrap();
    let request = request.body(Full::new(body.into())).unwrap();
    let call = async {
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        Answer {
            http: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        }
    };
    tokio::select! {
        answer = call => answer,
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
}

/// The body of a request, piece by piece.
pub type Pieces = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

/// The body of one message.
pub fn whole(message: &[u8]) -> Pieces {
    stream::iter([Ok(Frame::data(frame(0, message)))]).boxed()
}

/// A connection for several calls. It takes what the server sends, also while nobody asks.
pub struct Connection {
    sender: http2::SendRequest<StreamBody<Pieces>>,
    _driver: JoinSet<()>,
}

impl Connection {
    /// Takes so many bytes of each answer that nobody reads.
    pub async fn open(addr: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window);
        let client = client.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = client.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            connection.await.ok();
        });
        Self {
            sender,
            _driver: driver,
        }
    }

    /// Sends a call, and gives what comes of it; it fails when the connection takes no more calls.
    pub fn begin(
        &mut self,
        request: Builder,
        body: Pieces,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let request = request.body(StreamBody::new(body)).unwrap();
        self.sender.send_request(request)
    }
}
