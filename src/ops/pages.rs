//! The pages for operators.
use std::fmt::Write;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;

use crate::telemetry::Page;

/// What is shown, made anew for every look.
pub struct Pages {
    /// The metrics, in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// How this replica does. Readiness is the check that is called [`Pages::READY`]; the others
    /// say why.
    pub checks: Box<dyn Fn() -> Vec<Check> + Send + Sync>,
    /// The settings that the process was started with as JSON, without secrets. What operators
    /// changed since, by rows, is not among them.
    pub settings: Bytes,
}

/// One thing that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Such as `dependency/redis`.
    pub name: String,
    /// Whether it is as it should be.
    pub passes: bool,
}

const TEXT: &str = "text/plain; charset=utf-8";
const INDEX: &str = "\
<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>challenges-catalog</title></head><body>
<h1>challenges-catalog</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a>: metrics for Prometheus
<li><a href=\"/livez\">/livez</a>: whether the process turns over
<li><a href=\"/readyz\">/readyz</a>: whether calls should come here; <a href=\"/readyz?verbose\">/readyz?verbose</a> says why
<li><a href=\"/debug/config\">/debug/config</a>: what this process was started with, without secrets; flags and runtime settings
that operators changed since are shown by <code>admin flags list</code> and <code>admin settings list</code>
</ul>
</body></html>
";

impl Pages {
    /// The check that decides whether calls should come here.
    pub const READY: &str = "readiness";

    /// The answer to one request.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let uri = request.uri();
        let known = ["/", "/metrics", "/livez", "/readyz", "/debug/config"];
        if !known.contains(&uri.path()) {
            let text = format!("no such page; there are: {}\n", known.join(" "));
            return page(StatusCode::NOT_FOUND, TEXT, text);
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let text = "this page can only be read: GET or HEAD\n";
            let mut response = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        let is_verbose = uri.query().is_some_and(|query| {
            let mut words = query.split('&').map(|pair| pair.split('=').next());
            words.any(|word| word == Some("verbose"))
        });
        match uri.path() {
            "/metrics" => page(StatusCode::OK, Page::CONTENT_TYPE, (self.metrics)()),
            // That this is answered at all is the check: it looks at no dependency, because a
            // restart mends none.
            "/livez" => probe("livez", true, &[], is_verbose),
            "/readyz" => {
                let checks = (self.checks)();
                let is_ready = checks
                    .iter()
                    .any(|check| check.name == Self::READY && check.passes);
                probe("readyz", is_ready, &checks, is_verbose)
            }
            "/debug/config" => page(StatusCode::OK, "application/json", self.settings.clone()),
            _ => page(StatusCode::OK, "text/html; charset=utf-8", INDEX),
        }
    }
}

/// `ok`, or every check on a line of its own when it is asked for or when something is wrong, as
/// the API server of Kubernetes shows them.
fn probe(name: &str, passes: bool, checks: &[Check], is_verbose: bool) -> Response<Full<Bytes>> {
    let status = if passes {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if passes && !is_verbose {
        return page(status, TEXT, "ok\n");
    }
    let mut text = "[+]ping ok\n".to_owned();
    for check in checks {
        let (sign, word) = if check.passes {
            ('+', "ok")
        } else {
            ('-', "failed")
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{sign}]{} {word}", check.name);
    }
    let verdict = if passes { "passed" } else { "failed" };
    let _ = writeln!(text, "{name} check {verdict}");
    page(status, TEXT, text)
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn pages(ready: bool) -> Pages {
        let check = |name: &str, passes| Check {
            name: name.to_owned(),
            passes,
        };
        Pages {
            metrics: Box::new(|| "up 1\n".to_owned()),
            checks: Box::new(move || {
                vec![check("dependency/redis", false), check(Pages::READY, ready)]
            }),
            settings: Bytes::from_static(b"{}"),
        }
    }

    async fn ask(ready: bool, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        let response = pages(ready).answer(&request);
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_alone_decides_and_the_others_say_why() {
        let verbose =
            "[+]ping ok\n[-]dependency/redis failed\n[+]readiness ok\nreadyz check passed\n";
        let said = |(status, text): (u16, &str)| (status, text.to_owned());
        assert_eq!(ask(true, "GET", "/readyz").await, said((200, "ok\n")));
        let told = ask(true, "GET", "/readyz?verbose").await;
        assert_eq!(told, said((200, verbose)));
        let (status, text) = ask(false, "GET", "/readyz").await;
        assert_eq!(status, 503);
        assert!(text.contains("[-]readiness failed\nreadyz check failed\n"));
        assert_eq!(ask(false, "GET", "/livez").await, said((200, "ok\n")));
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_read_is_refused_in_words() {
        let (status, text) = ask(true, "GET", "/metric").await;
        assert_eq!(status, 404);
        assert!(text.contains("/metrics"));
        assert_eq!(ask(true, "POST", "/metrics").await.0, 405);
        assert_eq!(ask(true, "HEAD", "/metrics").await.0, 200);
        let (status, index) = ask(true, "GET", "/").await;
        assert_eq!(status, 200);
        for path in ["/metrics", "/livez", "/readyz", "/debug/config"] {
            assert!(index.contains(&format!("href=\"{path}\"")), "{path}");
            assert_eq!(ask(true, "GET", path).await.0, 200);
        }
    }
}
