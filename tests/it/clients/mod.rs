//! What callers in other languages meet: their stubs, and their calls.
mod buf;
mod client;
mod go;
mod health;
mod node;
mod python;
mod rolling;
mod stubs;
