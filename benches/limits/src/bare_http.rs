//! HTTP/2 and nothing else: reads a request, answers with ready bytes and trailers.
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::Result;

struct Ready {
    frame: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Ready {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frame.take().map(Frame::data);
        let frame = frame.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frame.is_none() && self.trailers.is_none()
    }
}

async fn answer(
    mut request: Request<Incoming>,
    frame: Bytes,
) -> std::result::Result<Response<Ready>, hyper::Error> {
    while let Some(part) = request.body_mut().frame().await {
        part?;
    }
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(Ready {
        frame: Some(frame),
        trailers: Some(trailers),
    });
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// Serves until the process is ended, over TLS where there is an acceptor.
pub async fn serve(listener: TcpListener, frame: Bytes, tls: Option<TlsAcceptor>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let frame = frame.clone();
        // How a connection ends is the caller's business.
        match tls.clone() {
            None => drop(tokio::spawn(connection(stream, frame))),
            Some(tls) => drop(tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    connection(stream, frame).await;
                }
            })),
        }
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, frame: Bytes) {
    let service = service_fn(move |request| answer(request, frame.clone()));
    let builder = http2::Builder::new(TokioExecutor::new());
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
