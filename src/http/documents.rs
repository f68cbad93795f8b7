//! The documents that tell what is served: made once, since they are the same until the program is another one.
use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

use super::{body::HttpBody, docs_page, openapi, routes::Routes};

/// The page may have styles within it, and fetches nothing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The OpenAPI document, and the page that shows it.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    openapi: Bytes,
    page: Bytes,
}

impl Documents {
    /// Those of these routes.
    pub(super) fn of(routes: &Routes) -> Self {
        let document = openapi::document(routes);
        // Writing to memory does not fail.
        let openapi = serde_json::to_vec(&document).unwrap_or_default();
        Self {
            openapi: openapi.into(),
            page: docs_page::page(&document),
        }
    }

    /// The document at a path, if there is one.
    pub(super) fn at(&self, path: &str) -> Option<Response<HttpBody>> {
        let (kind, bytes) = match path {
            "/openapi.json" => ("application/json", &self.openapi),
            "/docs" => ("text/html; charset=utf-8", &self.page),
            _ => return None,
        };
        let mut response = Response::new(HttpBody::whole(bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if path == "/docs" {
            headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        }
        Some(response)
    }
}
