//! What the service tells about itself: logs and metrics. Imports no other module of ours.
mod counter;
mod failure_log;
mod histogram;
mod json;
mod log_queue;
mod logging;
mod page;
mod process;
mod rolling_window;
mod root_cause;

pub use counter::Counter;
pub use failure_log::{Failing, FailureLog, LineLimit};
pub use histogram::{Buckets, Distribution, Histogram};
pub use log_queue::{LogFlushGuard, LogQueue};
pub use logging::{InitError, LineFormat, LogFilter, init, log_panics};
pub use page::{Family, Number, Page};
pub use process::process_metrics;
pub use rolling_window::RollingWindow;
pub use root_cause::root_cause;
