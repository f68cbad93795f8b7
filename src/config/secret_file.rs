//! Files that hold one secret each, and which of them others can open.
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{bounded::read_text, problem::Problem};

/// What to say of the file of a secret, or of who may come in, that every user of this machine may read or change.
#[must_use]
pub fn open_to_others(path: &Path) -> Option<String> {
    const OTHERS_READ: u32 = 0o004;
    const OTHERS_WRITE: u32 = 0o002;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let what = match (mode & OTHERS_READ != 0, mode & OTHERS_WRITE != 0) {
        (true, true) => "read and change",
        (true, false) => "read",
        (false, true) => "change",
        (false, false) => return None,
    };
    let path = path.to_string_lossy();
    Some(format!(
        "{path:?} holds a secret that every user of this machine may {what}; chmod o= {path} ends that"
    ))
}

/// The content of a secret's file, without the line break that editors leave at the end.
pub(super) fn read_secret(name: &str, path: &str) -> Result<String, Problem> {
    let problem = |text| Problem {
        name: name.to_owned(),
        text,
    };
    let text = read_text(Path::new(path)).map_err(problem)?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(problem(format!("{path:?} is empty"))),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_may_read_or_change_is_warned_of() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, said) in [
            (0o600, None),
            (0o640, None),
            (0o644, Some("may read;")),
            (0o602, Some("may change;")),
            (0o666, Some("may read and change;")),
        ] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let warning = open_to_others(file.path());
            assert_eq!(warning.is_some(), said.is_some(), "{mode:o}");
            let warning = warning.unwrap_or_default();
            assert!(warning.contains(said.unwrap_or_default()), "{warning}");
        }
    }
}
