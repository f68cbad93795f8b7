//! The rules for the modules of `src/` are kept: who imports whom, how long a file is, what `mod.rs` holds.
mod circles;
mod rules;
pub mod source;
