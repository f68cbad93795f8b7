//! Both databases, by their ports and by what other programs do to them.
#![expect(
    clippy::large_futures,
    reason = "a test that finds less than it looks for stops, and does not count bytes"
)]

mod adoption;
mod announcements;
mod broken_rows;
mod changes;
mod commit_log;
mod contract;
mod controls;
mod edits;
pub mod fixture;
mod flag_adoption;
mod guards;
mod histories;
mod mending;
mod migrations;
mod odd_rows;
mod outages;
mod owner;
mod reads;
mod registry;
mod retention;
mod rights;
mod shown;
mod statements;
mod tip_batches;
mod tip_writers;
mod tips;
mod verify;
