//! Stock tonic that streams: ready messages, or whatever a provider sends, as it comes.
use std::{convert::Infallible, future::Future, pin::Pin};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyStream, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tonic::{
    Status,
    body::Body,
    codegen::Service,
    server::{Grpc, NamedService, ServerStreamingService},
    transport::{Server, server::TcpIncoming},
};

use crate::{Result, bare_tonic::AsBytes};

type Pinned<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Messages = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, Status>> + Send>>;

/// Where the messages come from.
#[derive(Clone)]
pub enum Messenger {
    /// From memory.
    Ready(Vec<Bytes>),
    /// From a provider at this address: each piece that it sends is a message.
    Provider(String),
}

impl Messenger {
    /// The framed messages that lie in `all` one behind the other.
    pub fn ready(mut all: Bytes) -> Self {
        let mut messages = Vec::new();
        while all.len() >= 5 {
            all.advance(1);
            let length = all.get_u32() as usize;
            messages.push(all.split_to(length));
        }
        Self::Ready(messages)
    }

    async fn messages(self) -> Result<Messages> {
        match self {
            Self::Ready(messages) => Ok(stream::iter(messages.into_iter().map(Ok)).boxed()),
            Self::Provider(addr) => pass_through(&addr).await,
        }
    }
}

/// Requests a tip, and passes on what comes.
async fn pass_through(addr: &str) -> Result<Messages> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::post("/v1/messages")
        .header("host", addr)
        .body(Full::new(Bytes::from_static(b"{}")))?;
    let body = sender.send_request(request).await?.into_body();
    let pieces = BodyStream::new(body).filter_map(|frame| async move {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(Status::internal(error.to_string()))),
        }
    });
    // The connection lives as long as its sender.
    Ok(pieces.map(move |piece| (piece, &sender).0).boxed())
}

impl ServerStreamingService<Bytes> for Messenger {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Pinned<std::result::Result<tonic::Response<Messages>, Status>>;

    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        let messages = self.clone().messages();
        Box::pin(async move {
            let messages = messages.await;
            messages
                .map(tonic::Response::new)
                .map_err(|error| Status::internal(error.to_string()))
        })
    }
}

impl NamedService for Messenger {
    const NAME: &'static str = "challenges.catalog.v1.ChallengesCatalog";
}

impl Service<Request<Body>> for Messenger {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pinned<std::result::Result<Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::result::Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let messenger = self.clone();
        Box::pin(async move {
            Ok(Grpc::new(AsBytes)
                .server_streaming(messenger, request)
                .await)
        })
    }
}

/// Serves until the process is ended.
pub async fn serve(listener: TcpListener, messenger: Messenger) -> Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(messenger);
    Ok(server.serve_with_incoming(incoming).await?)
}
