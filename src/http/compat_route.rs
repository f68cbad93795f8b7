//! Which of the old routes a request means, as Starlette 0.27 tells it.
use std::fmt::Write;

use http::Method;

use super::{compat_pairs::path, compat_refusal::CompatRefusal};

/// A route of the replaced service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompatRoute {
    /// Lists challenges.
    List,
    /// Invalidates everything.
    InvalidateAll,
    /// Invalidates what depends on a tag.
    InvalidateTag,
    /// Tells how the caches do.
    Status,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CompatTarget {
    /// To a route.
    Route(CompatRoute),
    /// Away: 307 without a body, to this path, see [`location`].
    Redirect(String),
    /// Nowhere.
    Refused(CompatRefusal),
}

const ROUTES: [(&str, Method, CompatRoute); 4] = [
    ("/api/challenges", Method::GET, CompatRoute::List),
    (
        "/api/challenges/cache/invalidate",
        Method::POST,
        CompatRoute::InvalidateAll,
    ),
    (
        "/admin/cache/invalidate",
        Method::POST,
        CompatRoute::InvalidateTag,
    ),
    ("/admin/cache/status", Method::GET, CompatRoute::Status),
];

/// Tells by the path as it was sent, without the query. HEAD goes where GET goes, which FastAPI refuses.
pub(super) fn target(method: &Method, raw_path: &str) -> CompatTarget {
    let path = path(raw_path);
    let find = |path: &str| ROUTES.into_iter().find(|(route, _, _)| *route == path);
    if let Some((_, allow, route)) = find(&path) {
        let is_taken = *method == allow || *method == Method::HEAD && allow == Method::GET;
        return if is_taken {
            CompatTarget::Route(route)
        } else {
            CompatTarget::Refused(CompatRefusal::method_not_allowed(allow))
        };
    }
    match find(path.trim_end_matches('/')) {
        Some((route, _, _)) => CompatTarget::Redirect(route.to_owned()),
        None => CompatTarget::Refused(CompatRefusal::not_found()),
    }
}

/// What a path takes, for a browser that asks before it lets a page of another origin send anything.
pub(super) fn allow(raw_path: &str) -> Option<&'static str> {
    let path = path(raw_path);
    let (_, method, _) = ROUTES.into_iter().find(|(route, _, _)| *route == path)?;
    Some(if method == Method::GET {
        "GET, HEAD, OPTIONS"
    } else {
        "POST, OPTIONS"
    })
}

/// The header `location` of a redirect to `path`: an absolute URL, by the host that the request names.
pub(super) fn location(scheme: &str, host: &str, path: &str, query: Option<&str>) -> String {
    let query = query.filter(|query| !query.is_empty());
    let url = match query {
        Some(query) => format!("{scheme}://{host}{path}?{query}"),
        None => format!("{scheme}://{host}{path}"),
    };
    let mut quoted = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_alphanumeric() || SAFE.contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            // Writing to memory does not fail.
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

/// What Python never quotes, and what Starlette tells it not to quote in a URL.
const SAFE: &[u8] = b"_.-~:/%#?=@[]!$&'()*+,;";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(allow: Method) -> CompatTarget {
        CompatTarget::Refused(CompatRefusal::method_not_allowed(allow))
    }

    #[test]
    fn a_path_is_compared_decoded_and_as_a_whole() {
        let list = CompatTarget::Route(CompatRoute::List);
        assert_eq!(target(&Method::GET, "/api/challenges"), list);
        assert_eq!(target(&Method::HEAD, "/api/challenges"), list);
        assert_eq!(target(&Method::GET, "/%61pi%2Fchallenges"), list);
        for path in [
            "/",
            "/api",
            "/API/challenges",
            "//api/challenges",
            "/api/challenges%00",
        ] {
            let nowhere = CompatTarget::Refused(CompatRefusal::not_found());
            assert_eq!(target(&Method::GET, path), nowhere, "{path}");
        }
    }

    #[test]
    fn a_path_takes_one_method() {
        for method in [Method::POST, Method::OPTIONS, Method::DELETE, Method::TRACE] {
            assert_eq!(target(&method, "/api/challenges"), refused(Method::GET));
        }
        let path = "/api/challenges/cache/invalidate";
        assert_eq!(target(&Method::GET, path), refused(Method::POST));
        assert_eq!(target(&Method::HEAD, path), refused(Method::POST));
    }

    #[test]
    fn slashes_at_the_end_are_redirected_whatever_the_method() {
        let away = CompatTarget::Redirect("/api/challenges".to_owned());
        for path in [
            "/api/challenges/",
            "/api/challenges///",
            "/api/challenges%2f",
        ] {
            assert_eq!(target(&Method::DELETE, path), away, "{path}");
        }
    }

    #[test]
    fn a_location_is_absolute_and_quoted() {
        let to = |query| location("http", "a.example:80", "/api/challenges", query);
        assert_eq!(to(None), "http://a.example:80/api/challenges");
        assert_eq!(to(Some("")), "http://a.example:80/api/challenges");
        assert_eq!(
            to(Some("a=%zz|\"&b={c}")),
            "http://a.example:80/api/challenges?a=%zz%7C%22&b=%7Bc%7D"
        );
    }
}
