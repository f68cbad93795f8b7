//! HTTP and JSON beside gRPC: finds the method of the contract that a request means, and makes the one's messages of the
//! other. It knows the contract by its descriptors alone; calls go through [`transport`](crate::transport).
#![expect(dead_code, reason = "the service that answers by it is not there yet")]
mod annotations;
mod body_json;
mod field_path;
#[cfg(test)]
mod fixtures;
mod frames;
mod json;
mod openapi;
mod percent;
mod query;
mod request_problems;
mod routes;
mod scalar;
mod template;
mod transcode;
