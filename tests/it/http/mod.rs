//! HTTP and JSON beside gRPC, as browsers, proxies and other clients meet it.
mod caching;
mod conditional;
mod grpc_json;
mod headers;
mod reads;
pub mod scene;
