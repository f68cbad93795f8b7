//! Both databases, by their ports and by what other programs do to them.
#![expect(
    clippy::large_futures,
    reason = "a test that finds less than it looks for stops, and does not count bytes"
)]

mod adoption;
mod changes;
mod commit_log;
mod contract;
mod controls;
mod edits;
pub mod fixture;
mod flag_adoption;
mod history_guards;
mod invalid_rows;
mod migrations;
mod notifications;
mod numbering_restarts;
mod outages;
mod ownership;
mod reads;
mod registry;
mod retention;
mod rights;
mod row_checks;
mod shown_tips;
mod statements;
mod tip_batches;
mod tip_writers;
mod tips;
mod trigger_repair;
mod verify;
