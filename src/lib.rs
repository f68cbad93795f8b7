//! A catalog of coaching challenges, served over gRPC.
pub mod cli;
pub mod config;
pub mod domain;
pub mod pb;
pub mod telemetry;
