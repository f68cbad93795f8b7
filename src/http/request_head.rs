//! Heads of requests that a proxy in between may have understood otherwise.
use http::{
    HeaderValue, Version,
    header::{HOST, TRANSFER_ENCODING},
    request::Parts,
    uri::Authority,
};

/// Why a request is refused for its head, in a sentence.
pub(super) fn problem(head: &Parts) -> Option<&'static str> {
    if !names_its_host(head) {
        return Some("a request names its host, once, as HOST or HOST:PORT");
    }
    let is_understood = is_framed_plainly(head);
    (!is_understood).then_some("no Transfer-Encoding but chunked is understood")
}

/// Whether everybody means the same host (RFC 9112, 3.2).
fn names_its_host(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    let is_host = |authority: Authority| match authority.port_u16() {
        Some(_) => !authority.as_str().contains('@'),
        None => authority.as_str() == authority.host(),
    };
    let host_is_one = match host.map(HeaderValue::as_bytes) {
        // HTTP/1.0 has none, and HTTP/2 has its pseudo-header.
        None => head.version != Version::HTTP_11,
        Some(b"") => true,
        Some(host) => Authority::try_from(host).is_ok_and(is_host),
    };
    other.is_none() && host_is_one && head.uri.authority().cloned().is_none_or(is_host)
}

/// Whether the body, if there is one, is sent in a way that is understood.
fn is_framed_plainly(head: &Parts) -> bool {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let (coding, other) = (codings.next(), codings.next());
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    other.is_none() && coding.is_none_or(is_chunked)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_refused(version: Version, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get("/").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        problem(&head).is_some()
    }

    #[test]
    fn a_host_is_named_once_as_a_name_or_an_address() {
        for host in ["a", "a:80", "[::1]:80", "127.0.0.1", ""] {
            assert!(!is_refused(Version::HTTP_11, &[("host", host)]), "{host}");
        }
        for host in ["a:x", "a:99999", "a:", "a@b", "a b", "a/b"] {
            assert!(is_refused(Version::HTTP_11, &[("host", host)]), "{host}");
        }
        assert!(is_refused(Version::HTTP_11, &[]));
        assert!(is_refused(
            Version::HTTP_11,
            &[("host", "a"), ("host", "a")]
        ));
        assert!(!is_refused(Version::HTTP_10, &[]));
    }

    #[test]
    fn a_body_comes_in_chunks_or_as_it_is() {
        let coded = |codings: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(codings.iter().map(|it| ("transfer-encoding", *it)));
            is_refused(Version::HTTP_11, &headers)
        };
        assert!(!coded(&[]) && !coded(&["chunked"]) && !coded(&["Chunked"]));
        for unknown in [
            &["gzip, chunked"][..],
            &["chunked", "chunked"],
            &["identity"],
        ] {
            assert!(coded(unknown), "{unknown:?}");
        }
    }
}
