//! A catalog of coaching challenges, served over gRPC: from PostgreSQL or SQLite, through a cache in the process and one in
//! Redis, with AI tips that are streamed while they are written. Every answer says how old it can be.
//!
//! # The modules, in reading order
//!
//! 1. [`domain`]: the nouns, the errors, and the ports that adapters fill. It imports nothing of the crate and does no I/O.
//! 2. [`service`]: the use cases, one method for each.
//! 3. [`cache`]: the read-through cache. Whether an answer is current is decided in `cache::invalidation` (what is known of
//!    changes) and `cache::staleness` (what a caller may be given).
//! 4. [`tips`]: the generation of a tip for all its readers, on this replica and on others; limits and budget. [`llm`]: the
//!    providers that write tips.
//! 5. [`repository`]: SQL for both engines, migrations, and `verify`. [`redis`]: the connections that cache and tips share.
//!    [`flags`]: feature flags and runtime settings, which operators change while the service runs.
//! 6. [`access`]: authentication by the access file. [`transport`]: gRPC in and out; `transport::methods` is the table of all
//!    methods, `transport::authorization` checks roles. [`mod@http`]: HTTP and JSON beside it. [`server`]: connections and drain, without knowledge of any service. [`ops`]: metrics and health over HTTP.
//! 7. [`app`]: the composition root, which names ports and adapters and puts them together. [`cli`]: the command line.
//!    [`config`]: every setting. [`telemetry`]: logs and metrics. [`pb`]: what is generated from `proto/`.
//!
//! `ARCHITECTURE.md` shows which module may import which one; `tests/it/architecture` checks that, and that no imports form
//! a circle. A call's way through the modules, the proof of freshness and a glossary are there too.
pub mod access;
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flags;
pub mod http;
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
