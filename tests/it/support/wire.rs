//! HTTP/2 by hand, for requests that no gRPC client sends.
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
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
