//! A catalog of coaching challenges, served over gRPC: from the wire
//! (`transport`) by way of the use cases (`service`) and the cache to the
//! database. `ARCHITECTURE.md` is the map.
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flags;
pub mod llm;
pub mod ops;
pub mod pb;
pub mod redis;
pub mod repository;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod tips;
pub mod transport;
