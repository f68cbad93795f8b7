//! One HTTP/2 connection that calls one method.
use std::env;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, header::AUTHORIZATION, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{Result, secure};

/// The file of the authority that is trusted, at an address that begins with `https://`.
const AUTHORITY: &str = "LIMITS_CA";
/// The token that calls bring, if there is one.
const TOKEN: &str = "LIMITS_TOKEN";
const SECURE: &str = "https://";

/// A connection, shared by its clones.
#[derive(Clone)]
pub struct Caller {
    sender: SendRequest<Full<Bytes>>,
    uri: String,
    authorization: Option<HeaderValue>,
}

/// Connects to the host and port of an address.
pub async fn socket(addr: &str) -> Result<TcpStream> {
    let host = addr.strip_prefix(SECURE).unwrap_or(addr);
    Ok(TcpStream::connect(host).await?)
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Full<Bytes>>> {
    let builder = http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Caller {
    /// Connects, to call `method` of the catalog, or `package.Service/Method` of another service.
    pub async fn connect(addr: &str, method: &str) -> Result<Self> {
        Self::over(socket(addr).await?, addr, method).await
    }

    /// As [`Self::connect`], over a socket that is connected to `addr`.
    pub async fn over(stream: TcpStream, addr: &str, method: &str) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, root) = if addr.starts_with(SECURE) {
            let stream = secure::connect(&env::var(AUTHORITY)?, stream).await?;
            (handshake(stream).await?, addr.to_owned())
        } else {
            (handshake(stream).await?, format!("http://{addr}"))
        };
        let uri = if method.contains('/') {
            format!("{root}/{method}")
        } else {
            format!("{root}/challenges.catalog.v1.ChallengesCatalog/{method}")
        };
        let authorization = env::var(TOKEN).ok();
        let authorization = authorization
            .map(|token| HeaderValue::try_from(format!("Bearer {token}")))
            .transpose()?;
        Ok(Self {
            sender,
            uri,
            authorization,
        })
    }

    /// A request, and what sends it, for whoever wants to see all of the answer.
    pub fn request(self) -> (SendRequest<Full<Bytes>>, Builder) {
        let request = Request::post(&self.uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = match self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        (self.sender, request)
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
        request_body: Bytes,
        caller: &str,
        mut heard: impl FnMut(&[u8]),
    ) -> Result<()> {
        let (mut sender, request) = self.clone().request();
        let request = request
            .header("x-caller-id", caller)
            .body(Full::new(request_body))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
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
