//! What operators decide while the service runs: which rows count on this replica, what they say,
//! and that all who must know hear of it. Rows are read when word of a commit comes, and followed
//! only as far as they make sense; who asks how a flag stands waits for nothing.
mod evaluation;
mod metrics;
mod refresher;
mod snapshot;
mod state;

pub use refresher::Refresher;
pub use snapshot::FlagSnapshot;
