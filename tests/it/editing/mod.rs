//! The catalog edited: by calls, by commands, and by plain SQL, with a history of all of it.
mod bad_input;
pub mod client;
mod commands;
mod fleet;
mod history;
mod imports;
mod once;
mod one;
mod retention;
mod rights;
