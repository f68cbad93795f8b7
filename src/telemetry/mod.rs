//! What the service tells about itself: logs, and figures. Knows no other room.
mod counter;
mod histogram;
mod json;
mod logging;
mod page;
mod process;

pub use counter::Counter;
pub use histogram::{Buckets, Distribution, Histogram};
pub use logging::{Format, InitError, init};
pub use page::{Family, Number, Page};
pub use process::process_figures;
