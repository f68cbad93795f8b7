//! Behaviour from outside: the product against real servers, one test binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that cannot go on stops; nothing here is seen from outside"
)]

mod access;
mod architecture;
mod bounds;
mod catalog;
mod cli_admin;
mod clients;
mod connections;
mod edges;
mod editing;
mod examples;
mod flags;
mod fleet;
mod http;
mod llm;
mod logical;
mod logs;
mod ops;
mod readme;
mod replication_selftest;
mod repository;
mod seeds;
mod standbys;
mod startup;
mod support;
mod support_selftest;
mod tips;
mod tips_batch;
mod writers;
