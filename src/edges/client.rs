//! The HTTP client by which edges are purged and asked: every exchange is bounded in time, bytes and repetitions.
use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Request, Response, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::retry_after::retry_after;
use crate::{domain::EdgeFailure, telemetry::root_cause};

/// Why edges cannot be called at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(super) String);

/// Whether requests go through the proxies that the environment names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// As every program on the machine does: the edge is a service on the internet.
    Environment,
    /// Never: the edge is in the fleet's own network.
    None,
}

/// A purge may take so long, with all its attempts.
const PURGE_TIMEOUT: Duration = Duration::from_secs(3);
/// One attempt may take so long, so that another one has a chance.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;
/// Before the second attempt; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(50);
/// More of an answer is not read.
const ANSWER_MAX_BYTES: usize = 16 << 10;
/// What a receipt and the log repeat of what an edge said.
const REPEATED_MAX_CHARS: usize = 120;

/// Sends requests to one edge.
#[derive(Clone, Debug)]
pub(super) struct EdgeClient(Client);

/// An answer, with the beginning of its body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A failed attempt.
struct Failed {
    failure: EdgeFailure,
    /// Whether another attempt may succeed.
    is_passing: bool,
}

impl EdgeClient {
    /// Follows no redirect and sends nothing twice by itself. With `is_tls`, it must trust some authorities.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(super) fn new(is_tls: bool, proxies: Proxies) -> Result<Self, SetupError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(is_tls)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("challenges-catalog/", env!("CARGO_PKG_VERSION")));
        let client = match proxies {
            Proxies::Environment => client,
            Proxies::None => client.no_proxy(),
        };
        let client = client.build();
        let client = client.map_err(|error| SetupError(error.without_url().to_string()))?;
        Ok(Self(client))
    }

    /// Begins a request.
    pub(super) fn inner(&self) -> &Client {
        &self.0
    }

    /// One answer to one request, within `limit`; a body is read to its end or its bound.
    pub(super) async fn exchange(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<Reply, EdgeFailure> {
        let exchange = async {
            let sent = self.0.execute(request).await;
            let mut response = sent.map_err(failed)?;
            Ok(Reply {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body: beginning(response).await?,
            })
        };
        let answer = timeout(limit, exchange).await;
        answer.unwrap_or_else(|_| Err(EdgeFailure::new(format!("no answer within {limit:?}"))))
    }

    /// Sends `request`, which may be sent twice, until the answer is a 200 that `check` accepts: at most three times,
    /// within 3 s, and again only after what may pass.
    pub(super) async fn persist(
        &self,
        request: &Request,
        check: impl Fn(&Reply) -> Result<(), String>,
    ) -> Result<(), EdgeFailure> {
        let until = Instant::now() + PURGE_TIMEOUT;
        let mut attempt = 1;
        loop {
            let Failed {
                failure,
                is_passing,
            } = match timeout_at(until, self.attempt(request, &check)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failed)) => failed,
                Err(_) => {
                    return Err(EdgeFailure::new(format!(
                        "not done within {PURGE_TIMEOUT:?}"
                    )));
                }
            };
            let pause =
                (PAUSE * 2_u32.saturating_pow(attempt - 1)).mul_f64(rand::random_range(0.5..1.5));
            let pause = failure.retry_after.unwrap_or(pause);
            if !is_passing || attempt == ATTEMPTS || Instant::now() + pause >= until {
                return Err(failure);
            }
            attempt += 1;
            sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        check: impl Fn(&Reply) -> Result<(), String>,
    ) -> Result<(), Failed> {
        let passing = |failure| Failed {
            failure,
            is_passing: true,
        };
        let request = request.try_clone();
        let request = request.ok_or_else(|| passing(EdgeFailure::new("cannot be sent twice")))?;
        let reply = self.exchange(request, ATTEMPT_TIMEOUT).await;
        let reply = reply.map_err(passing)?;
        let problem = if reply.status == StatusCode::OK {
            match check(&reply) {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            }
        } else {
            let said = excerpt(&reply.body);
            let status = reply.status.as_u16();
            if said.is_empty() {
                format!("it answered {status}")
            } else {
                format!("it answered {status}: {said}")
            }
        };
        let is_busy = reply.status == StatusCode::TOO_MANY_REQUESTS;
        Err(Failed {
            failure: EdgeFailure {
                reason: problem,
                retry_after: retry_after(&reply.headers),
            },
            is_passing: is_busy || reply.status.is_server_error(),
        })
    }
}

/// The URL with `path` behind its own.
pub(super) fn path_behind(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// The beginning of a text of others, on one line.
pub(super) fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..512).unwrap_or(text));
    let words: Vec<_> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .collect();
    let words = words.into_iter().filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(REPEATED_MAX_CHARS).collect()
}

async fn beginning(response: Response) -> Result<Vec<u8>, EdgeFailure> {
    let (mut body, mut chunks) = (Vec::new(), response.bytes_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        let room = ANSWER_MAX_BYTES - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// The cause, which names no URL.
fn failed(error: reqwest::Error) -> EdgeFailure {
    EdgeFailure::new(root_cause(&error.without_url()).to_string())
}

/// TLS with the one crypto provider of the program and the certificates that the machine trusts.
fn tls(is_needed: bool) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        let native = rustls_native_certs::load_native_certs().certs;
        if roots.add_parsable_certificates(native).0 == 0 {
            let problem = "there are no certificates of authorities to trust";
            return Err(SetupError(problem.to_owned()));
        }
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edge_says_is_repeated_on_one_line_and_in_part() {
        assert_eq!(
            excerpt(b" <h1>\r\n Not  allowed\0</h1>"),
            "<h1> Not allowed </h1>"
        );
        assert_eq!(excerpt(&[b'x'; 4_096]).len(), REPEATED_MAX_CHARS);
        assert_eq!(excerpt(b"\xff"), "\u{FFFD}");
        assert_eq!(excerpt(b""), "");
    }
}
