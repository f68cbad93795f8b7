//! The address of a provider, and the HTTP client that calls it.
use std::{error::Error, iter, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderValue, header};
use parking_lot::RwLock;
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::sync::Notify;
use url::Url;

use super::{
    ProviderSettings, SetupError, TimeLimits, protocol_error::ProtocolError, refusal::Head,
};
use crate::{
    domain::{Clock, FailureKind, UnixMicros},
    telemetry::root_cause,
};

/// Connections that wait for the next request, at most.
const IDLE_CONNECTIONS: usize = 16;

/// The bytes of an answer, as they come.
pub(super) type Body = BoxStream<'static, Result<Bytes, ProtocolError>>;

/// One address of one provider, and the connections to it.
#[derive(Clone)]
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    /// Shared by all clones, because the key among them may change.
    headers: Arc<RwLock<HeaderMap>>,
    limits: TimeLimits,
    key_refused: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Endpoint {
    /// Requests go to `path` behind the base URL, with `headers` and those that every request has.
    /// Nothing is connected yet.
    pub(super) fn new(
        settings: &ProviderSettings,
        path: &str,
        headers: HeaderMap,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let mut url = settings.base_url.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        Ok(Self {
            client: client(&url, settings.limits)?,
            url,
            headers: Arc::new(RwLock::new(with_formats(headers))),
            limits: settings.limits,
            key_refused: Arc::clone(&settings.key_refused),
            clock,
        })
    }

    /// From now on requests go out with `headers`, and those that every request has; returns whether they
    /// differ from those before.
    pub(super) fn renew(&self, headers: HeaderMap) -> bool {
        let headers = with_formats(headers);
        let mut before = self.headers.write();
        let differ = *before != headers;
        *before = headers;
        differ
    }

    fn headers(&self) -> HeaderMap {
        self.headers.read().clone()
    }

    pub(super) fn limits(&self) -> TimeLimits {
        self.limits
    }

    pub(super) fn now(&self) -> UnixMicros {
        self.clock.now()
    }

    /// Has the key looked for where it came from: it may be another one by now.
    pub(super) fn note_denial(&self) {
        self.key_refused.notify_one();
    }

    /// Sends one request, and waits for the head of the answer. The connection ends with the body.
    pub(super) async fn send(&self, request: Vec<u8>) -> Result<(Head, Body), ProtocolError> {
        let sent = self.client.post(self.url.clone()).headers(self.headers());
        let sent = sent.body(request).send().await;
        let mut response = sent.map_err(|error| protocol_error(FailureKind::Connect, &error))?;
        let head = Head {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
        };
        if head.status == StatusCode::UNAUTHORIZED {
            self.note_denial();
        }
        Ok((head, body(response)))
    }
}

fn with_formats(mut headers: HeaderMap) -> HeaderMap {
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        // What is no stream may be an answer all the same.
        (header::ACCEPT, "text/event-stream, application/json"),
        // Some gateways compress what does not ask for anything.
        (header::ACCEPT_ENCODING, "identity"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
}

fn body(response: Response) -> Body {
    let chunks = response.bytes_stream();
    chunks
        .map(|chunk| chunk.map_err(|error| protocol_error(FailureKind::Truncated, &error)))
        .boxed()
}

/// A client that sends one request and no more: no redirect, no second try, no decompression. It goes
/// through the proxies that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name in the environment, as every
/// program on the machine does.
fn client(url: &Url, limits: TimeLimits) -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(tls(url)?)
        .connect_timeout(limits.connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("challenges-catalog/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SetupError::Client(error.without_url().into()))
}

/// TLS with the one crypto provider of the program and the certificates that the machine trusts.
/// Handed over ready, because the client would otherwise look for a provider that is
/// installed for the whole process, and panic without.
fn tls(url: &Url) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    if url.scheme() == "https" {
        let (added, _) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            return Err(SetupError::NoRoots);
        }
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// `kind`, unless what came is not HTTP. The detail is the innermost cause, which names no URL.
fn protocol_error(kind: FailureKind, error: &reqwest::Error) -> ProtocolError {
    let mut causes = iter::successors(error.source(), |&cause| cause.source());
    let is_garbage = causes.any(|cause| {
        let http = cause.downcast_ref::<hyper::Error>();
        http.is_some_and(hyper::Error::is_parse)
    });
    let kind = if is_garbage {
        FailureKind::Malformed
    } else {
        kind
    };
    let detail = error.source().map(|it| root_cause(it).to_string());
    ProtocolError::new(
        kind,
        detail.unwrap_or_else(|| "the request failed".to_owned()),
    )
}
