//! A catalog of coaching challenges, served over gRPC.
pub mod cache;
pub mod config;
pub mod domain;
pub mod pb;
pub mod repository;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod transport;
