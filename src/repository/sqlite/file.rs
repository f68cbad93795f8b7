use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Which file an open connection has, whatever lies at its path by now: device and inode.
type Inode = (u64, u64);

/// The files of the database as the open connections have them.
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// The log of what is written, beside it.
    wal: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    main: Option<Inode>,
    /// Not noted before it is there.
    wal: Option<Inode>,
    /// Whether a connection has them.
    is_open: bool,
    /// Whether another file was opened before, and no history was begun since.
    is_another: bool,
}

/// What lies at the path is not what the connections have: what they write is lost with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Moved {
    /// There is no file.
    #[error("the file {0} is gone: it was deleted or moved")]
    Gone(String),
    /// Another file, or another log.
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

    /// Notes what a connection has just opened, unless others have it open.
    pub(super) fn note_opened(&self) {
        let main = inode(&self.path);
        let mut opened = self.opened();
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

    /// Notes that nothing is open any more: what lies there may go and come.
    pub(super) fn note_closed(&self) {
        self.opened().is_open = false;
    }

    /// Whether what was opened is what lies there.
    pub(super) fn check(&self) -> Result<(), Moved> {
        let mut opened = self.opened();
        if !opened.is_open {
            return Ok(());
        }
        let name = || self.path.display().to_string();
        let main = inode(&self.path).ok_or_else(|| Moved::Gone(name()))?;
        let wal = inode(&self.wal);
        opened.wal = opened.wal.or(wal);
        if (opened.main, opened.wal) == (Some(main), wal) {
            Ok(())
        } else {
            Err(Moved::Replaced(name()))
        }
    }

    /// Whether another file than before was opened, and no history was begun for it.
    pub(super) fn is_another(&self) -> bool {
        self.opened().is_another
    }

    /// Notes that a history was begun for it.
    pub(super) fn note_begun(&self) {
        self.opened().is_another = false;
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inode(path: &Path) -> Option<Inode> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
