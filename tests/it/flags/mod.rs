//! What operators decide while the service runs: by calls, commands and plain SQL.
mod calls;
pub mod client;
mod commands;
mod effects;
mod health;
mod limits;
mod lost_answers;
mod multi_replica;
pub mod settings;
mod tips;
