//! Adds an entry to an access file, if a server takes the file with it.
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::access_files::ACCESS_FILE_MAX_BYTES;
use crate::{access::AccessRules, config::read_text_within};

/// An entry that fits into an access file.
pub struct AccessEntry {
    path: PathBuf,
    lines: String,
}

impl AccessEntry {
    /// Reads the file at `path`, if there is one, and checks it together with `entry`. Changes nothing yet.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read, or what would be wrong with it.
    pub fn check(path: &Path, entry: &str) -> Result<Self, String> {
        let told = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
        let exists = path.try_exists().map_err(|error| told(&error))?;
        if exists && !path.is_file() {
            return Err(told(&"it is no file"));
        }
        let before = if exists {
            read_text_within(path, ACCESS_FILE_MAX_BYTES)?
        } else {
            String::new()
        };
        let gap = match before.as_str() {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let lines = format!("{gap}{entry}");
        AccessRules::parse(&format!("{before}{lines}")).map_err(|error| told(&error))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
        })
    }

    /// Adds it to the end of the file. A file that is made for it is for its owner alone.
    ///
    /// # Errors
    ///
    /// Why it could not be written; the file is as before.
    pub fn add(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        let length = file.metadata()?.len();
        let written = file
            .write_all(self.lines.as_bytes())
            .and_then(|()| file.sync_all());
        if written.is_err() {
            // A full disk, say: half an entry would make the file one that no server takes.
            file.set_len(length)?;
        }
        written
    }
}
