//! An instance of Varnish, whose VCL purges by the module xkey as docs/edges.md shows it.
use http::{HeaderValue, Method};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{
    client::{EdgeClient, Proxies, Reply, SetupError},
    http_edge::{HttpEdge, PurgeApi},
};

/// The tags, parted by spaces.
const TAGS: &str = "xkey-purge";
/// Where it is there, entries only expire.
const SOFT: &str = "xkey-soft";

struct Varnish {
    url: Url,
}

/// The instance at `purge_url`. It is asked through `asked`, or where it is purged if that is `None`.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn varnish(purge_url: Url, asked: Option<Url>) -> Result<HttpEdge, SetupError> {
    let asked = asked.unwrap_or_else(|| purge_url.clone());
    let is_tls = [&purge_url, &asked]
        .iter()
        .any(|url| url.scheme() == "https");
    let client = EdgeClient::new(is_tls, Proxies::None)?;
    let host = purge_url.host_str().unwrap_or_default();
    let name = match purge_url.port_or_known_default() {
        Some(port) => format!("varnish/{host}:{port}"),
        None => format!("varnish/{host}"),
    };
    let api = Varnish { url: purge_url };
    Ok(HttpEdge::new(name, Box::new(api), client, vec![asked]))
}

impl PurgeApi for Varnish {
    /// By default Varnish takes no header above 8 kB, and the tag of a challenge has 46 bytes.
    fn tags_per_call(&self) -> usize {
        100
    }

    fn request(&self, client: &Client, tags: &[String], hard: bool) -> RequestBuilder {
        let method = Method::from_bytes(b"PURGE").unwrap_or_default();
        let request = client
            .request(method, self.url.clone())
            .header(TAGS, tags.join(" "));
        if hard {
            request
        } else {
            request.header(SOFT, HeaderValue::from_static("1"))
        }
    }

    fn check(&self, _: &Reply) -> Result<(), String> {
        Ok(())
    }
}
