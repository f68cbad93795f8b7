//! The runtimes that commands run on.
use std::{io, time::Duration};

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// What blocks a thread of its own when the server is done, such as a look-up of a name that nobody
/// answers, is left behind after this.
const LEAVE_BEHIND: Duration = Duration::from_secs(1);

/// Runs the server, on all cores.
pub(super) fn serve<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = checked(Builder::new_multi_thread().enable_all().build())?;
    let served = runtime.block_on(work);
    runtime.shutdown_timeout(LEAVE_BEHIND);
    Ok(served)
}

/// This thread only: for a command that waits for one thing at a time.
pub(super) fn command() -> Result<Runtime, Failure> {
    checked(Builder::new_current_thread().enable_all().build())
}

fn checked(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| Failure::caused("cannot start the runtime", &error))
}
