//! HTTP and JSON beside gRPC: the same catalog, the same access and limits, for browsers, proxies and callers without
//! stubs.
mod annotations;
mod answers;
mod body;
mod body_json;
mod cache_headers;
mod call;
mod compat;
mod compat_answer;
mod compat_number;
mod compat_pairs;
mod compat_query;
mod compat_refusal;
mod compat_route;
mod compat_status;
mod cors;
mod docs_page;
mod documents;
mod field_path;
#[cfg(test)]
mod fixtures;
mod frames;
mod json;
mod json_body;
mod openapi;
mod percent;
mod problem;
mod query;
mod read_query;
mod reads;
mod request_problems;
mod routes;
mod scalar;
mod service;
mod stats;
mod template;
mod time_limit;
mod tip_events;
mod transcode;
mod upload;

pub use body::HttpBody;
pub use cache_headers::CacheProfile;
pub use compat::CompatSettings;
pub use compat_query::CompatForm;
pub use cors::Cors;
pub use routes::RoutesError;
pub use service::{HttpService, HttpSettings};
