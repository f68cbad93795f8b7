//! Opens the file, and classifies the result codes of the engine.
use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::fs::OpenOptions;

use crate::repository::{MigrationError, sql_error::error_code};

/// How long a connection waits while another one writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens one connection outside of any pool, for a command; `create` creates a missing file.
pub(super) async fn connect(path: &Path, create: bool) -> Result<SqliteConnection, MigrationError> {
    if create {
        // Readable by its owner only, as SQLite makes the files beside it. A failure shows when it is opened.
        let mut new = OpenOptions::new();
        new.write(true).create_new(true).mode(0o600);
        new.open(path).await.ok();
    }
    let options = options(path)?.create_if_missing(create);
    options.connect().await.map_err(open_error)
}

pub(super) fn options(path: &Path) -> Result<SqliteConnectOptions, MigrationError> {
    if path.as_os_str() == ":memory:" {
        // Each pool would see a database of its own.
        return Err(MigrationError::Url("must be a file".to_owned()));
    }
    let options = SqliteConnectOptions::new().filename(path);
    Ok(options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true))
}

/// The error of opening a connection: waiting helps while another process has the file, and not if it is no database.
pub(super) fn open_error(error: sqlx::Error) -> MigrationError {
    let is_busy = |code: String| matches!(primary_code(&code), Some(5 | 6));
    if error_code(&error).is_some_and(|code| !is_busy(code)) {
        return MigrationError::failed("opening the file")(error);
    }
    MigrationError::Unreachable(error.into())
}

/// Whether a result code means a state that may pass: busy, locked, read-only, I/O error, full, cannot open.
pub(super) fn is_outage(code: &str) -> bool {
    matches!(primary_code(code), Some(5 | 6 | 8 | 10 | 13 | 14))
}

fn primary_code(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|code| code & 0xff)
}
