//! HTTP and JSON beside gRPC: the same catalog, the same access and limits, for browsers, proxies and callers without
//! stubs.
mod body;
mod cache_headers;
#[cfg_attr(not(test), expect(dead_code, reason = "no listener serves it"))]
mod compat_answer;
mod compat_number;
mod compat_pairs;
#[cfg_attr(not(test), expect(dead_code, reason = "no listener serves it"))]
mod compat_query;
#[cfg_attr(not(test), expect(dead_code, reason = "no listener serves it"))]
mod compat_refusal;
#[cfg_attr(not(test), expect(dead_code, reason = "no listener serves it"))]
mod compat_route;
#[cfg_attr(not(test), expect(dead_code, reason = "no listener serves it"))]
mod compat_status;
mod cors;
mod json_body;
mod problem;
mod read_query;
mod reads;
mod service;
mod timeout;

pub use body::HttpBody;
pub use cache_headers::CacheProfile;
pub use cors::Cors;
pub use service::{HttpService, HttpSettings};
