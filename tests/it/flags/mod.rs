//! What operators decide while the service runs: by calls, commands and plain SQL.
mod calls;
mod client;
mod effects;
mod health;
mod settings;
mod tips;
