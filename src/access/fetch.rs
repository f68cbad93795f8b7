//! Fetching the public keys of an issuer: its discovery document, then its key set (JWKS).
use std::{fs, sync::Arc, time::Duration};

use futures_util::StreamExt;
use jsonwebtoken::jwk::JwkSet;
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::Deserialize;
use tokio::{task::spawn_blocking, time::timeout};
use url::Url;

use super::file::IssuerRule;
use crate::telemetry::root_cause;

/// How long one fetch may take, with all its requests.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A document is no larger: the key sets of large issuers are some 10 kB.
const DOCUMENT_MAX_BYTES: usize = 256 << 10;

/// What of a discovery document is needed.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// The keys of `issuer` as they are now.
///
/// # Errors
///
/// Why they were not had, in words for the log.
pub(super) async fn keys(issuer: Arc<IssuerRule>) -> Result<JwkSet, String> {
    let fetching = async {
        // Files of certificates and tokens may be on a mount that hangs.
        let rule = Arc::clone(&issuer);
        let prepared = spawn_blocking(move || (client(&rule), token(&rule))).await;
        let (client, token) = prepared.map_err(|error| error.to_string())?;
        let (client, token) = (client?, token?);
        let keys_url = match &issuer.keys_url {
            Some(url) => url.clone(),
            None => discover(&client, &issuer.url, token.as_deref()).await?,
        };
        let text = get(&client, keys_url, token.as_deref()).await?;
        serde_json::from_slice(&text).map_err(|error| format!("the key set is none: {error}"))
    };
    let fetched = timeout(FETCH_TIMEOUT, fetching).await;
    fetched.unwrap_or_else(|_| Err(format!("no answer within {FETCH_TIMEOUT:?}")))
}

async fn discover(client: &Client, issuer: &str, token: Option<&str>) -> Result<Url, String> {
    let path = ".well-known/openid-configuration";
    let url = format!("{}/{path}", issuer.trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    let text = get(client, url.clone(), token).await?;
    let found: Discovery = serde_json::from_slice(&text)
        .map_err(|error| format!("the discovery document is none: {error}"))?;
    if found.issuer != issuer {
        return Err(format!("the discovery document is of {:?}", found.issuer));
    }
    let keys = Url::parse(&found.jwks_uri).map_err(|error| format!("jwks_uri: {error}"))?;
    // What may say who comes in is not fetched in plain text from elsewhere.
    if keys.scheme() != "https" && keys.origin() != url.origin() {
        return Err(format!("jwks_uri is {keys}, which is not encrypted"));
    }
    Ok(keys)
}

async fn get(client: &Client, url: Url, token: Option<&str>) -> Result<Vec<u8>, String> {
    let mut request = client.get(url.clone());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let sent = request.send().await;
    let response: Response =
        sent.map_err(|error| format!("{url}: {}", root_cause(&error.without_url())))?;
    if response.status() != StatusCode::OK {
        return Err(format!("{url} answers {}", response.status()));
    }
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|error| format!("{url}: {}", root_cause(&error.without_url())))?;
        if text.len() + chunk.len() > DOCUMENT_MAX_BYTES {
            return Err(format!("{url} sends more than {DOCUMENT_MAX_BYTES} bytes"));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// The token that `issuer` wants of those who fetch its keys, as Kubernetes does. It is read each time: it is
/// replaced every hour or so.
fn token(issuer: &IssuerRule) -> Result<Option<String>, String> {
    let Some(file) = &issuer.token_file else {
        return Ok(None);
    };
    let token = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(Some(token.trim().to_owned()))
}

/// A client that follows no redirect and tries nothing twice.
fn client(issuer: &IssuerRule) -> Result<Client, String> {
    let mut roots = RootCertStore::empty();
    let added = if let Some(file) = &issuer.ca_file {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("{file}: {error}"))?;
        roots.add_parsable_certificates(certificates).0
    } else {
        let native = rustls_native_certs::load_native_certs().certs;
        roots.add_parsable_certificates(native).0
    };
    if added == 0 && issuer.url.starts_with("https:") {
        return Err("there are no certificates of authorities to trust".to_owned());
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(FETCH_TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("challenges-catalog/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.without_url().to_string())
}
