//! A catalog of coaching challenges, served over gRPC.
pub mod config;
pub mod domain;
pub mod pb;
pub mod telemetry;
