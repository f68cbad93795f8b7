use std::io;

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// All cores: for the server.
pub(super) fn server() -> Result<Runtime, Failure> {
    checked(Builder::new_multi_thread().enable_all().build())
}

/// This thread only: for a command that waits for one thing at a time.
pub(super) fn command() -> Result<Runtime, Failure> {
    checked(Builder::new_current_thread().enable_all().build())
}

fn checked(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| Failure::caused("cannot start the runtime", &error))
}
