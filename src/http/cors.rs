//! Cross-origin resource sharing: which pages of browsers may read answers, and which may change something.
use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HOST, ORIGIN, VARY,
    },
    request::Parts,
    uri::Authority,
};

use super::body::HttpBody;

/// The origins whose pages may read answers.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<String>,
    any: bool,
    /// Whether pages of the host that a request names may change something, whatever name that is.
    trusts_names: bool,
}

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Age, Cache-Status, Retry-After, X-Request-Id, X-Catalog-Version",
);
const TAKEN: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, X-Caller-Id, X-Request-Id, X-Request-Timeout",
);
/// For how many seconds browsers need not ask again; they remember no longer than two hours.
const REMEMBERED: HeaderValue = HeaderValue::from_static("3600");

/// What pages of all origins may use.
const READS: HeaderValue = HeaderValue::from_static("GET, HEAD");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The host that a request names.
fn host(head: &Parts) -> Option<&str> {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| head.uri.authority().map(Authority::as_str))
}

/// Whether a host is an address, or this machine: no site can give itself such a name.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

impl Cors {
    /// Allows the pages of `origins`; `*` stands for all, and for reading alone. `has_access_control` says that changes
    /// need credentials. Without, a page needs none either, and any site can give its name this server's address
    /// for as long as its page is open (DNS rebinding): so names count for nothing then, but for `localhost`.
    #[must_use]
    pub fn new(origins: Vec<String>, has_access_control: bool) -> Self {
        let any = origins.iter().any(|origin| origin == "*");
        Self {
            origins,
            any,
            trusts_names: has_access_control,
        }
    }

    /// Whether answers differ by origin.
    pub(super) fn is_by_origin(&self) -> bool {
        !self.any && !self.origins.is_empty()
    }

    /// Whether answers say anything to browsers: all of them do then, since caches keep them for whoever asks next.
    pub(super) fn is_told(&self) -> bool {
        self.any || self.is_by_origin()
    }

    /// The headers that decide what is said.
    pub(super) fn relevant(headers: &HeaderMap) -> HeaderMap {
        let origin = headers.get(ORIGIN).cloned();
        origin.into_iter().map(|origin| (ORIGIN, origin)).collect()
    }

    /// Whether a page of a foreign origin wants something changed. Browsers send some requests to foreign servers
    /// without asking, and hide only the answer from the page.
    pub(super) fn is_foreign_change(&self, head: &Parts) -> bool {
        let origin = head.headers.get(ORIGIN).filter(|_| !head.method.is_safe());
        origin.is_some_and(|origin| self.is_foreign(origin, head))
    }

    /// Whether a page of a foreign origin may be asking: browsers send no `Origin` for an image or a frame, and say by
    /// whom it is wanted only to hosts that they trust.
    pub(super) fn is_foreign_page(&self, head: &Parts) -> bool {
        if let Some(origin) = head.headers.get(ORIGIN) {
            return self.is_foreign(origin, head);
        }
        let site = head.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        let is_trusted = || self.trusts_names || host(head).is_none_or(is_address);
        matches!(site, Some(b"cross-site" | b"same-site")) || !is_trusted()
    }

    fn is_foreign(&self, origin: &HeaderValue, head: &Parts) -> bool {
        let asking = origin.to_str().ok().and_then(|it| it.split_once("://"));
        let is_own = asking.is_some_and(|(_, asking)| {
            Some(asking) == host(head) && (self.trusts_names || is_address(asking))
        });
        !is_own && !self.is_known(origin)
    }

    fn is_known(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// Lets the page at the request's origin read the answer, if it may.
    pub(super) fn put(&self, request: &HeaderMap, headers: &mut HeaderMap) {
        if self.is_by_origin() && !headers.contains_key(VARY) {
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
        let origin = request.get(ORIGIN).filter(|origin| self.is_known(origin));
        if self.any {
            // Never with credentials: every page could act as its visitor.
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        } else {
            return;
        }
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }

    /// Answers `OPTIONS` for a path that takes `allow`: what it takes, and to browsers whether their page may.
    pub(super) fn options(&self, request: &HeaderMap, allow: &str) -> Response<HttpBody> {
        let mut response = Response::new(HttpBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let Ok(allow) = HeaderValue::from_str(allow) else {
            return response;
        };
        self.put(request, headers);
        let is_allowed = headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS).is_some();
        if is_allowed && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            let methods = if self.any { READS } else { allow.clone() };
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
            headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        }
        headers.insert(ALLOW, allow);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(
            ACCESS_CONTROL_REQUEST_METHOD,
            HeaderValue::from_static("GET"),
        );
        headers
    }

    #[test]
    fn a_page_of_a_known_origin_may_read_and_another_may_not() {
        let cors = Cors::new(vec!["https://app.example".to_owned()], true);
        let mut headers = HeaderMap::new();
        cors.put(&from("https://app.example"), &mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        for foreign in ["https://app.example.evil", "http://app.example", "null"] {
            let mut headers = HeaderMap::new();
            cors.put(&from(foreign), &mut headers);
            assert!(
                !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
                "{foreign}"
            );
            assert_eq!(headers[VARY], "Origin");
            let response = cors.options(&from(foreign), "GET");
            let headers = response.headers();
            assert!(
                !headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS),
                "{foreign}"
            );
        }
    }

    #[test]
    fn a_page_of_a_foreign_origin_changes_nothing() {
        let known = || vec!["https://app.example".to_owned()];
        let (guarded, open) = (Cors::new(known(), true), Cors::new(known(), false));
        let asks = |cors: &Cors, method: &str, host: &str, origin: &str| {
            let request = http::Request::builder()
                .method(method)
                .header(HOST, host)
                .header(ORIGIN, origin);
            let (head, ()) = request.body(()).unwrap().into_parts();
            cors.is_foreign_change(&head)
        };
        let is_foreign =
            |method: &str, origin: &str| asks(&guarded, method, "own.example:8080", origin);
        for origin in ["https://evil.example", "null", "http://own.example"] {
            assert!(is_foreign("POST", origin), "{origin}");
            assert!(!is_foreign("GET", origin), "{origin}");
        }
        for origin in ["https://app.example", "http://own.example:8080"] {
            assert!(!is_foreign("POST", origin), "{origin}");
        }
        // A site can give its name any address, and cannot be named by one.
        let rebound = ("evil.example:8080", "http://evil.example:8080");
        assert!(asks(&open, "POST", rebound.0, rebound.1));
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "10.0.0.7"] {
            let origin = format!("http://{host}");
            assert!(!asks(&open, "POST", host, &origin), "{host}");
        }
        let all = Cors::new(vec!["*".to_owned()], true);
        assert!(asks(&all, "POST", "own.example", "https://app.example"));
    }

    #[test]
    fn a_page_of_a_foreign_origin_is_one_where_browsers_say_so() {
        let cors = Cors::new(vec!["https://app.example".to_owned()], true);
        let open = Cors::new(Vec::new(), false);
        let asks = |cors: &Cors, host: &str, site: &str, origin: Option<&str>| {
            let request = http::Request::builder().header(HOST, host);
            let mut request = request.header(SEC_FETCH_SITE, site);
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            cors.is_foreign_page(&head)
        };
        let is_foreign =
            |site: &str, origin: Option<&str>| asks(&cors, "own.example", site, origin);
        assert!(is_foreign("none", Some("https://evil.example")));
        assert!(is_foreign("none", Some("null")));
        assert!(!is_foreign("none", Some("https://own.example")));
        assert!(asks(&open, "evil.example:8080", "same-origin", None));
        assert!(!asks(&open, "127.0.0.1:8080", "none", None));
        assert!(is_foreign("cross-site", None));
        assert!(is_foreign("same-site", Some("https://evil.app.example")));
        assert!(!is_foreign("cross-site", Some("https://app.example")));
        assert!(!is_foreign("same-origin", None));
        assert!(!is_foreign("none", None));
    }

    #[test]
    fn all_pages_may_read_but_not_with_credentials() {
        let cors = Cors::new(vec!["*".to_owned()], true);
        let response = cors.options(&from("https://any.example"), "GET, HEAD, PATCH");
        let headers = response.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "3600");
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn without_origins_nothing_is_said_to_browsers() {
        let mut headers = HeaderMap::new();
        Cors::default().put(&from("https://app.example"), &mut headers);
        assert!(headers.is_empty());
    }
}
