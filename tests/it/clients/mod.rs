//! What callers in other languages meet: their stubs, and their calls.
mod buf;
pub mod client;
mod go;
mod health;
pub mod node;
mod python;
mod rolling;
mod stubs;
