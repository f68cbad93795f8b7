//! Cloudflare: purges by cache tags, several in one call
//! (<https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/>). It knows no soft purge.
use http::{HeaderValue, header};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use url::Url;

use super::{
    client::{EdgeClient, Proxies, Reply, SetupError, excerpt, path_behind},
    http_edge::{HttpEdge, PurgeApi, PurgeService, secret},
};

struct Cloudflare {
    url: Url,
    token: HeaderValue,
}

/// What every answer of the API has.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    errors: Vec<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    message: String,
}

/// A zone at Cloudflare.
///
/// # Errors
///
/// When TLS cannot be set up, or the token cannot be sent.
pub fn cloudflare(service: PurgeService) -> Result<HttpEdge, SetupError> {
    let client = EdgeClient::new(service.has_tls(), Proxies::Environment)?;
    let path = format!("/zones/{}/purge_cache", service.id);
    let api = Cloudflare {
        url: path_behind(&service.api_url, &path),
        token: secret(&service.token, "Bearer ")?,
    };
    let name = format!("cloudflare/{}", service.id);
    Ok(HttpEdge::new(name, Box::new(api), client, service.asked))
}

impl PurgeApi for Cloudflare {
    fn tags_per_call(&self) -> usize {
        100
    }

    fn request(&self, client: &Client, tags: &[String], _: bool) -> RequestBuilder {
        client
            .post(self.url.clone())
            .header(header::AUTHORIZATION, self.token.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::json!({ "tags": tags }).to_string())
    }

    fn check(&self, reply: &Reply) -> Result<(), String> {
        match serde_json::from_slice::<Answer>(&reply.body) {
            Ok(Answer { success: true, .. }) => Ok(()),
            Ok(Answer { errors, .. }) => {
                let first = errors
                    .first()
                    .map(|error| excerpt(error.message.as_bytes()));
                Err(format!("it refused: {}", first.unwrap_or_default()))
            }
            Err(_) => Err("its answer is not that of Cloudflare's API".to_owned()),
        }
    }
}
