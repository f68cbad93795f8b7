//! What operators decide while the service runs: by calls, commands and plain SQL.
mod calls;
mod client;
mod commands;
mod effects;
mod everywhere;
mod health;
mod limits;
mod lost;
mod settings;
mod tips;
