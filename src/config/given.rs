use std::{collections::BTreeMap, fs};

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
}

impl Sources<'_> {
    /// The strongest text for `setting`; none when nobody gave one.
    pub(super) fn given(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        let environment = self.environment_text(setting)?;
        if let Some(text) = self.flags.get(setting.flag) {
            return Ok(Some(Given {
                text: text.clone(),
                origin: Origin::Flag,
            }));
        }
        let file = || {
            let text = self.file.get(&setting.key())?.clone();
            Some(Given {
                text,
                origin: Origin::File,
            })
        };
        Ok(environment.or_else(file))
    }

    fn environment_text(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        let value = self.environment.get(setting.env);
        let twin = setting.env_file();
        let path = twin
            .as_deref()
            .and_then(|name| Some((name, self.environment.get(name)?)));
        let (name, text) = match (value, path) {
            (None, None) => return Ok(None),
            (Some(text), None) => (setting.env, text.to_owned()),
            (None, Some((name, path))) => (name, secret(name, path)?),
            (Some(_), Some((name, _))) => {
                return Err(Problem {
                    name: setting.env.to_owned(),
                    text: format!("is set, and {name} is set as well; unset one of them"),
                });
            }
        };
        if text.contains('\u{FFFD}') {
            return Err(Problem {
                name: name.to_owned(),
                text: "is not valid UTF-8".to_owned(),
            });
        }
        Ok(Some(Given {
            text,
            origin: Origin::Environment(name.to_owned()),
        }))
    }
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
