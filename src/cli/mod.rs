//! The command line: what the one binary can do. It parses, calls and prints, and decides nothing about challenges. To
//! read first: `command` (what can be typed), `run`, `client` (calls to a server), `output` and `json` (what is printed).
mod admin;
mod args;
mod author;
mod banner;
mod challenge;
mod client;
mod command;
mod completions;
mod config;
mod confirm;
mod database;
mod escape;
mod failure;
mod get;
mod health;
mod history;
mod humanize;
mod id;
mod json;
mod list;
mod man;
mod output;
mod progress;
mod run;
mod runtime;
mod screen;
mod serve;
mod settings;
mod shared_flags;
mod table;
mod tip_page;
mod tips;
mod verify;
mod view;

#[doc(hidden)]
pub use admin::fuzzing;
pub use run::run;
