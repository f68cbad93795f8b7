//! Files that are read whole, and never more of them than fits.
use std::{fs::File, io::Read, path::Path};

use super::unit::show_bytes;

/// What a file of a secret, of certificates or of settings may have, in bytes: more than any of them needs.
const SMALL: u64 = 1 << 20;

/// The text of a file that is at most 1 MiB long.
///
/// # Errors
///
/// The file cannot be read, is longer, or is no UTF-8.
pub fn read_text(path: &Path) -> Result<String, String> {
    read_text_within(path, SMALL)
}

/// The text of a file that is at most `most` bytes long.
///
/// # Errors
///
/// As for [`read_text`].
pub fn read_text_within(path: &Path, most: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if u64::try_from(read).is_ok_and(|read| read > most) {
        let (path, most) = (path.display(), show_bytes(most));
        return Err(format!("{path} is longer than {most}"));
    }
    String::from_utf8(bytes).map_err(|_| format!("cannot read {}: it is no UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused_with_the_limit() {
        let problem = read_text(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(problem, "/dev/zero is longer than 1MiB");
    }

    #[test]
    fn a_file_may_be_as_long_as_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345").unwrap();
        assert_eq!(read_text_within(file.path(), 5).as_deref(), Ok("12345"));
        assert!(read_text_within(file.path(), 4).is_err());
    }
}
