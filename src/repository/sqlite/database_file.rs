//! Notices that the file of the database was deleted, moved or replaced while connections have it open.
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

/// The identity of a file, whatever its path refers to now: device and inode.
type Inode = (u64, u64);

/// The files that the connections have open.
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// The write-ahead log beside the file.
    wal: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    main: Option<Inode>,
    /// `None` until the log exists.
    wal: Option<Inode>,
    /// Whether a connection has the files open.
    is_open: bool,
    /// Whether another file was opened before, and no new history was begun since.
    is_another: bool,
}

/// The path no longer refers to the file that the connections have open: what they write is lost with that file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileMoved {
    #[error("the file {0} is gone: it was deleted or moved")]
    Gone(String),
    #[error("the file {0} or its log was deleted, moved or replaced while it was open")]
    Replaced(String),
}

impl DatabaseFile {
    pub(super) fn at(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self {
            path: path.to_owned(),
            wal: wal.into(),
            opened: Mutex::default(),
        }
    }

    /// Notes the file that a connection has just opened, unless others have it open.
    pub(super) fn note_opened(&self) {
        let main = inode(&self.path);
        let mut opened = self.opened.lock();
        if !opened.is_open {
            let is_another =
                opened.is_another || opened.main.is_some_and(|known| Some(known) != main);
            *opened = Opened {
                main,
                wal: None,
                is_open: true,
                is_another,
            };
        }
    }

    /// Notes that no connection is open; then the files may be replaced.
    pub(super) fn note_closed(&self) {
        self.opened.lock().is_open = false;
    }

    /// Fails if the path does not refer to the open file, or its log, any more.
    pub(super) fn check(&self) -> Result<(), FileMoved> {
        let mut opened = self.opened.lock();
        if !opened.is_open {
            return Ok(());
        }
        let name = || self.path.display().to_string();
        let main = inode(&self.path).ok_or_else(|| FileMoved::Gone(name()))?;
        let wal = inode(&self.wal);
        opened.wal = opened.wal.or(wal);
        if (opened.main, opened.wal) == (Some(main), wal) {
            Ok(())
        } else {
            Err(FileMoved::Replaced(name()))
        }
    }

    /// Whether another file than before was opened, and no new history was begun for it.
    pub(super) fn is_another(&self) -> bool {
        self.opened.lock().is_another
    }

    /// Notes that a new history was begun for the file.
    pub(super) fn note_begun(&self) {
        self.opened.lock().is_another = false;
    }
}

fn inode(path: &Path) -> Option<Inode> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
