//! Opens the file, and classifies the result codes of the engine.
use std::{io::ErrorKind, path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::fs::OpenOptions;

use crate::repository::{
    MigrationError,
    sql_error::{CodeClass, error_code},
};

/// How long a connection waits while another one writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens one connection outside of any pool, for a command; `create` creates a missing file.
pub(super) async fn connect(path: &Path, create: bool) -> Result<SqliteConnection, MigrationError> {
    let options = options(path)?.create_if_missing(create);
    if create {
        create_private(path).await?;
    }
    options.connect().await.map_err(open_error)
}

/// Creates the file, readable by its owner only, as SQLite makes the files beside it.
async fn create_private(path: &Path) -> Result<(), MigrationError> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true).mode(0o600);
    match new.open(path).await {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(MigrationError::Failed {
            doing: "making the file",
            source: format!("its folder cannot be written: {error}").into(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
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
    let is_unopened = error_code(&error).and_then(|code| primary_code(&code)) == Some(14);
    let is_busy = |code: String| matches!(primary_code(&code), Some(5 | 6));
    if error_code(&error).is_some_and(|code| !is_busy(code)) {
        let doing = if is_unopened {
            "opening the file, whose folder must be writable,"
        } else {
            "opening the file"
        };
        return MigrationError::failed(doing)(error);
    }
    MigrationError::Unreachable(error.into())
}

/// See [`CodeClass`] (sqlite.org/rescode.html).
pub(super) fn code_class(code: &str) -> CodeClass {
    match (code, primary_code(code)) {
        // Read-only; a full disk; a write that failed, as where the size of files is limited.
        ("8" | "13" | "778", _) => CodeClass::TakesNoWrites,
        // Busy, locked, read-only because the file was moved, I/O error, cannot open.
        (_, Some(5 | 6 | 8 | 10 | 14)) => CodeClass::Outage,
        (_, Some(_) | None) => CodeClass::Fault,
    }
}

fn primary_code(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|code| code & 0xff)
}
