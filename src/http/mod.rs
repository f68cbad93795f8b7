//! HTTP and JSON beside gRPC: the same catalog, the same access and limits, for browsers, proxies and callers without
//! stubs.
mod body;
mod cache_headers;
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
