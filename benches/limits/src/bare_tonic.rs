//! Stock tonic, with a codec that hands bytes through.
use std::{convert::Infallible, future::Future, pin::Pin};

use bytes::{Buf, BufMut, Bytes};
use http::{Request, Response};
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::Service,
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};

use crate::{Result, source::Source};

type Pinned<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Messages as they lie.
#[derive(Default)]
pub struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(
        &mut self,
        message: Bytes,
        to: &mut EncodeBuf<'_>,
    ) -> std::result::Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> std::result::Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

impl UnaryService<Bytes> for Source {
    type Response = Bytes;
    type Future = Pinned<std::result::Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let source = self.clone();
        Box::pin(async move {
            let answer = source.answer(&request.into_inner()).await;
            answer
                .map(tonic::Response::new)
                .map_err(|error| Status::internal(error.to_string()))
        })
    }
}

impl NamedService for Source {
    const NAME: &'static str = "challenges.catalog.v1.ChallengesCatalog";
}

impl Service<Request<Body>> for Source {
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
        let source = self.clone();
        Box::pin(async move { Ok(Grpc::new(AsBytes).unary(source, request).await) })
    }
}

/// Serves until the process is ended.
pub async fn serve(listener: TcpListener, source: Source) -> Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(source);
    Ok(server.serve_with_incoming(incoming).await?)
}
