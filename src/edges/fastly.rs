//! Fastly: purges by surrogate keys, several in one call
//! (<https://www.fastly.com/documentation/reference/api/purging/>).
use http::{HeaderValue, header};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{
    client::{EdgeClient, Proxies, Reply, SetupError, path_behind},
    http_edge::{HttpEdge, PurgeApi, PurgeService, secret},
};

struct Fastly {
    url: Url,
    token: HeaderValue,
}

/// A service at Fastly.
///
/// # Errors
///
/// When TLS cannot be set up, or the token cannot be sent.
pub fn fastly(service: PurgeService) -> Result<HttpEdge, SetupError> {
    let client = EdgeClient::new(service.has_tls(), Proxies::Environment)?;
    let api = Fastly {
        url: path_behind(&service.api_url, &format!("/service/{}/purge", service.id)),
        token: secret(&service.token, "")?,
    };
    let name = format!("fastly/{}", service.id);
    Ok(HttpEdge::new(name, Box::new(api), client, service.asked))
}

impl PurgeApi for Fastly {
    fn tags_per_call(&self) -> usize {
        256
    }

    fn request(&self, client: &Client, tags: &[String], hard: bool) -> RequestBuilder {
        let request = client
            .post(self.url.clone())
            .header("fastly-key", self.token.clone())
            .header("surrogate-key", tags.join(" "))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_LENGTH, 0);
        if hard {
            request
        } else {
            request.header("fastly-soft-purge", HeaderValue::from_static("1"))
        }
    }

    /// The body names a purge for each key; there is nothing in it to be wrong.
    fn check(&self, _: &Reply) -> Result<(), String> {
        Ok(())
    }
}
