//! HTTP/1.1 and HTTP/2 and nothing else: answers every request with ready JSON.
use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

fn answer(json: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Serves until the process is ended.
pub async fn serve(listener: TcpListener, json: Bytes) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(stream, json.clone()));
    }
}

async fn connection(stream: TcpStream, json: Bytes) {
    let service =
        service_fn(move |_: Request<Incoming>| ready(Ok::<_, Infallible>(answer(json.clone()))));
    let builder = auto::Builder::new(TokioExecutor::new());
    // How a connection ends is the caller's business.
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
