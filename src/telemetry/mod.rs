//! What the service tells about itself. Knows no other room.
mod json;
mod logging;

pub use logging::{Format, InitError, init};
