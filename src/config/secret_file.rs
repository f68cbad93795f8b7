//! Files that hold one secret each.
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{bounded::read_text, problem::Problem};

/// What to say of a secret's file that every user of this machine may read.
pub(super) fn open_to_others(path: &str) -> Option<String> {
    const OTHERS_READ: u32 = 0o004;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & OTHERS_READ != 0).then(|| {
        format!("{path:?} holds a secret that every user of this machine may read; chmod o= {path} ends that")
    })
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
