//! What the service tells about itself. Knows no other room.
mod counter;
mod json;
mod logging;

pub use counter::Counter;
pub use logging::{Format, InitError, init};
