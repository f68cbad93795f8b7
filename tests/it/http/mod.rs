//! HTTP and JSON beside gRPC, as browsers, proxies and other clients meet it.
mod bad_framing;
mod bad_input;
mod browser;
mod caching;
mod callers;
mod conditional;
mod cross_origin;
mod crowds;
mod events;
mod examples;
mod grpc_json;
mod headers;
mod operators;
mod reads;
pub mod scene;
mod tips;
