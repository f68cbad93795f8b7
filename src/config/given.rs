use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use super::{Environment, entry::Origin, file::FileValues, problem::Problem, setting::Setting};

/// What the command line says, by flag without dashes.
pub type Flags = BTreeMap<String, String>;

/// Where values come from, the strongest first.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a Flags,
    pub(super) environment: &'a Environment,
    pub(super) file: FileValues,
}

/// The text that somebody gave for a setting.
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: Origin,
    /// The file that it was read from, if it has one of its own.
    pub(super) file: Option<String>,
}

impl Sources<'_> {
    /// The strongest text for `setting`; none when nobody gave one.
    pub(super) fn given(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        let environment = self.environment_text(setting)?;
        if let Some(text) = self.flags.get(setting.flag) {
            return Ok(Some(Given {
                text: text.clone(),
                origin: Origin::Flag,
                file: None,
            }));
        }
        let file = || {
            let text = self.file.get(&setting.key())?.clone();
            Some(Given {
                text,
                origin: Origin::File,
                file: None,
            })
        };
        Ok(environment.or_else(file))
    }

    fn environment_text(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        let variables = setting.variables().into_iter();
        let mut given = variables.filter_map(|(name, is_file)| {
            let text = self.environment.get(&name)?;
            Some((name, is_file, text))
        });
        let Some((name, is_file, text)) = given.next() else {
            return Ok(None);
        };
        if let Some((other, ..)) = given.next() {
            return Err(Problem {
                name,
                text: format!("is set, and {other} is set as well; unset one of them"),
            });
        }
        let file = is_file.then(|| text.to_owned());
        let text = match &file {
            Some(path) => secret(&name, path)?,
            None => text.to_owned(),
        };
        if text.contains('\u{FFFD}') {
            return Err(Problem {
                name,
                text: "is not valid UTF-8".to_owned(),
            });
        }
        Ok(Some(Given {
            text,
            origin: Origin::Environment(name),
            file,
        }))
    }
}

/// What to say of a secret's file that every user of this machine may read.
pub(super) fn open_to_others(path: &str) -> Option<String> {
    const OTHERS_READ: u32 = 0o004;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & OTHERS_READ != 0).then(|| {
        format!("{path:?} holds a secret that every user of this machine may read; chmod o= {path} ends that")
    })
}

/// The content of a secret's file, without the line break that editors leave at the end.
pub(super) fn secret(name: &str, path: &str) -> Result<String, Problem> {
    let problem = |text| Problem {
        name: name.to_owned(),
        text,
    };
    let text = fs::read_to_string(path)
        .map_err(|error| problem(format!("cannot read {path:?}: {error}")))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(problem(format!("{path:?} is empty"))),
        text => Ok(text.to_owned()),
    }
}
