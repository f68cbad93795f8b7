//! One HTTP/2 connection that calls one method.
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::Result;

/// A connection, shared by its clones.
#[derive(Clone)]
pub struct Caller {
    sender: SendRequest<Full<Bytes>>,
    uri: String,
}

impl Caller {
    /// Connects, to call `method` of the catalog, or `package.Service/Method` of another service.
    pub async fn connect(addr: &str, method: &str) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let uri = if method.contains('/') {
            format!("http://{addr}/{method}")
        } else {
            format!("http://{addr}/challenges.catalog.v1.ChallengesCatalog/{method}")
        };
        Ok(Self { sender, uri })
    }

    /// The message that answers the framed message `request`; an error for any status but OK.
    pub async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        Ok(self.frames(request).await?.slice(5..))
    }

    /// All messages of the answer, framed.
    pub async fn frames(&mut self, request: Bytes) -> Result<Bytes> {
        let mut all = BytesMut::new();
        self.stream(request, "bench", |piece| all.extend_from_slice(piece))
            .await?;
        Ok(all.freeze())
    }

    /// Hands every piece of the answer to `heard`, as it comes; an error for any status but OK.
    pub async fn stream(
        &mut self,
        request: Bytes,
        caller: &str,
        mut heard: impl FnMut(&[u8]),
    ) -> Result<()> {
        let request = Request::post(&self.uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-caller-id", caller)
            .body(Full::new(request))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let refused = response.headers().get("grpc-message").cloned();
        let mut body = response.into_body();
        let mut status = None;
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => heard(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    status = trailers.and_then(|trailers| trailers.get("grpc-status").cloned());
                }
            }
        }
        if status.is_none_or(|status| status != "0") {
            return Err(format!("not OK: {refused:?}").into());
        }
        Ok(())
    }
}
