//! The reads of the catalog over HTTP: a hit encodes nothing, and a 304 has no body at all.
use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH},
};

use super::{
    body::HttpBody,
    cache_headers::{Audience, CacheHeaders, Tags},
    json_body,
    problem::Problem,
    read_query::ReadQuery,
    time_limit,
};
use crate::{
    domain::{Answer, FieldViolation, JsonSlot},
    transport::{DirectRead, Edge, ReadMethod, ReadOutcome},
};

/// The correlation id, in requests and responses.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What a caller told that decides how it is answered.
struct Wishes {
    audience: Audience,
    takes_gzip: bool,
    if_none_match: Vec<HeaderValue>,
}

impl Wishes {
    fn of(edge: &Edge, headers: &HeaderMap) -> Self {
        Self {
            audience: if edge.has_credentials(headers) {
                Audience::Caller
            } else {
                Audience::Everybody
            },
            takes_gzip: takes_gzip(headers),
            if_none_match: headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
        }
    }

    fn knows(&self, read: &DirectRead) -> bool {
        let texts = self.if_none_match.iter().filter_map(|it| it.to_str().ok());
        let mut texts = texts;
        texts.any(|text| read.is_named_by(text))
    }
}

/// Answers a read by `method`.
pub(super) async fn read(
    edge: &Edge,
    (method, query): (ReadMethod, Result<ReadQuery, Vec<FieldViolation>>),
    mut headers: HeaderMap,
    caching: &CacheHeaders,
) -> Response<HttpBody> {
    let limit = time_limit::translate(&mut headers);
    let (request, tags) = match (query, limit) {
        (Ok(ReadQuery { request, tags }), Ok(())) => (Ok(request), Some(tags)),
        (query, limit) => {
            let mut violations = query.err().unwrap_or_default();
            violations.extend(limit.err());
            (Err(violations), None)
        }
    };
    let wishes = Wishes::of(edge, &headers);
    let ReadOutcome { request_id, result } = edge.read(method, request, headers).await;
    let response = match (result, tags) {
        (Ok(read), Some(tags)) => answer(&read, method, &wishes, (caching, &tags)),
        // What could not be read was not answered.
        (Ok(_), None) => Problem::internal(&request_id).response(),
        (Err(status), _) => Problem::of(&status, &request_id).response(),
    };
    identified(response, request_id)
}

/// Adds the correlation id.
pub(super) fn identified(
    mut response: Response<HttpBody>,
    request_id: HeaderValue,
) -> Response<HttpBody> {
    response.headers_mut().insert(REQUEST_ID, request_id);
    response
}

/// How many headers an answer has at most: their map need not grow.
const HEADERS: usize = 16;

fn answer(
    read: &DirectRead,
    method: ReadMethod,
    wishes: &Wishes,
    (caching, tags): (&CacheHeaders, &Tags),
) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    response.headers_mut().reserve(HEADERS);
    caching.put(response.headers_mut(), read, wishes.audience, tags);
    if wishes.knows(read) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let (body, is_compressed) = body(&read.answers, method, wishes.takes_gzip);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if is_compressed {
        headers.insert(CONTENT_ENCODING, GZIP);
    }
    *response.body_mut() = HttpBody::whole(body);
    response
}

/// The body, and whether it is compressed.
fn body(answers: &[Answer], method: ReadMethod, takes_gzip: bool) -> (Bytes, bool) {
    let encode = match method {
        ReadMethod::List => json_body::page,
        ReadMethod::Get => json_body::challenge,
        ReadMethod::BatchGet => {
            let parts = answers.iter();
            let parts = parts.map(|answer| json(answer, json_body::challenge));
            let parts: Vec<_> = parts.collect();
            return (json_body::batch(&parts), false);
        }
    };
    let Some(answer) = answers.first() else {
        return (Bytes::new(), false);
    };
    let json = json(answer, encode);
    let slot = answer.json.as_ref().filter(|_| takes_gzip);
    match slot.and_then(|slot| slot.gzip(&json, compress)) {
        Some(gzip) => (gzip, true),
        None => (json, false),
    }
}

fn json(answer: &Answer, encode: fn(&Bytes) -> Bytes) -> Bytes {
    let nothing = Bytes::new();
    let body = answer.body.as_ref().unwrap_or(&nothing);
    match &answer.json {
        Some(slot) => JsonSlot::json(slot, body, encode),
        None => encode(body),
    }
}

fn compress(json: &Bytes) -> Bytes {
    let mut gzip = GzEncoder::new(
        Vec::with_capacity(json.len() / 4 + 64),
        Compression::default(),
    );
    // Writing to memory does not fail.
    let _ = gzip.write_all(json);
    gzip.finish().unwrap_or_default().into()
}

/// Whether the caller takes gzip (RFC 9110, 12.5.3): what is said of it by name counts, and else what is said of all.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let (mut by_name, mut of_all) = (None, None);
    for coding in texts.flat_map(|text| text.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_taken = !weighs_nothing(weight);
        match name.trim() {
            "*" => of_all = Some(is_taken),
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                by_name = Some(is_taken);
            }
            _ => {}
        }
    }
    by_name.or(of_all).unwrap_or(false)
}

/// Whether a parameter such as `q=0.0` refuses what it is of.
fn weighs_nothing(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or_default();
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_by_who_names_it_and_does_not_refuse_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&headers)
        };
        for value in [
            "gzip",
            "br, gzip;q=0.5",
            "*",
            "deflate,x-gzip",
            "GZIP",
            "*;q=0, gzip",
        ] {
            assert!(takes(value), "{value}");
        }
        for value in [
            "",
            "br",
            "gzip;q=0",
            "gzip; q=0.0",
            "gzip ; Q=0",
            "identity",
            "gzip;q=0, *",
            "*, gzip;q=0",
            "*;q=0",
        ] {
            assert!(!takes(value), "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
