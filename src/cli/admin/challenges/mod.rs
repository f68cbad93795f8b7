//! `admin challenges`: the catalog edited from a terminal or a script.
mod args;
mod command;
mod edit;
mod export;
mod file;
pub mod fuzzing;
mod history;
mod import;
mod upload;

pub(super) use command::{command, run};
