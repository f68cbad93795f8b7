//! What operators decide while the service runs: by calls, commands and plain SQL.
mod calls;
pub mod client;
mod commands;
mod effects;
mod everywhere;
mod health;
mod limits;
mod lost;
pub mod settings;
mod tips;
