//! The command line: what the one binary can do. The top of the house; it
//! parses, calls and prints, and decides nothing about challenges.
mod admin;
mod author;
mod banner;
mod client;
mod command;
mod completions;
mod config;
mod confirm;
mod database;
mod escape;
mod failure;
mod figures;
mod get;
mod health;
mod history;
mod id;
mod list;
mod man;
mod names;
mod number;
mod output;
mod placing;
mod progress;
mod run;
mod runtime;
mod serve;
mod settings;
mod table;
mod tip_page;
mod tip_view;
mod tips;
mod verify;
mod view;

pub use run::run;
