//! The catalog edited: by calls, by commands, and by plain SQL, with a history of all of it.
mod bad_input;
pub mod client;
mod commands;
mod fleet;
mod history;
mod idempotency;
mod imports;
mod retention;
mod rights;
mod single_edits;
