//! A file that somebody named to be written: [`OutputFile`] never leaves half a file where a whole one was, follows no
//! link to a file, and never takes away a device or a pipe.
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// What is written becomes the file at its path by [`OutputFile::keep`]. What is no regular file, such as a device or a
/// pipe, is written straight into.
pub struct OutputFile {
    file: File,
    /// Where a regular file is written until it is whole.
    draft: Option<Draft>,
}

struct Draft {
    path: PathBuf,
    becomes: PathBuf,
}

impl OutputFile {
    /// Begins to write what `path` names. A regular file that is there keeps its mode and its owner.
    ///
    /// # Errors
    ///
    /// It is a link to a regular file or to nothing, its owner cannot be kept, or the system refuses it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let there = match fs::symlink_metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::draft(path, None),
            Err(error) => return Err(error),
        };
        if there.is_file() {
            return Self::draft(path, Some(&there));
        }
        let is_link = there.is_symlink();
        if is_link && fs::metadata(path).map_or(true, |target| target.is_file()) {
            return Err(io::Error::other(
                "it is a link, and no link to a file is followed; name the file itself",
            ));
        }
        let file = OpenOptions::new().write(true).open(path)?;
        if file.metadata()?.is_file() {
            return Err(io::Error::other("it was exchanged for another file"));
        }
        Ok(Self { file, draft: None })
    }

    fn draft(path: &Path, there: Option<&Metadata>) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", Uuid::new_v4().simple()));
        let draft = Draft {
            path: PathBuf::from(name),
            becomes: path.to_owned(),
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if let Some(there) = there {
            options.mode(there.mode() & 0o777);
        }
        let made = Self {
            file: options.open(&draft.path)?,
            draft: Some(draft),
        };
        if let Some(there) = there {
            made.resemble(there)?;
        }
        Ok(made)
    }

    fn resemble(&self, there: &Metadata) -> io::Result<()> {
        let made = self.file.metadata()?;
        if (made.uid(), made.gid()) != (there.uid(), there.gid()) {
            let kept = fchown(&self.file, Some(there.uid()), Some(there.gid()));
            kept.map_err(|error| {
                io::Error::other(format!(
                    "its owner and group cannot be kept: {error}; write another file"
                ))
            })?;
        }
        self.file.set_permissions(there.permissions())
    }

    /// Whether it is a file that is kept, and no device or pipe.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.draft.is_some()
    }

    /// Puts the file where it belongs, whole.
    ///
    /// # Errors
    ///
    /// The system refuses it; what was there before stays.
    pub fn keep(mut self) -> io::Result<()> {
        if let Some(draft) = &self.draft {
            // Else a crash could leave the new name with none of the new content.
            self.file.sync_all()?;
            fs::rename(&draft.path, &draft.becomes)?;
            self.draft = None;
        }
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    /// Half a file is of no use to anybody.
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            fs::remove_file(&draft.path).ok();
        }
    }
}
