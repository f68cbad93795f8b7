//! Finds the text of each setting, and makes it a value.
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    EnvVars,
    file::FileValues,
    problem::Problem,
    secret_file::{open_to_others, read_secret},
    setting::Setting,
    unit,
    value::Value,
    value_kind::ValueKind,
};

/// What the command line says, by flag without dashes.
pub type Flags = BTreeMap<String, String>;

/// Where values come from, the strongest first.
pub(super) struct ValueSources<'a> {
    pub(super) flags: &'a Flags,
    pub(super) environment: &'a EnvVars,
    pub(super) file: FileValues,
    /// Where the settings file is, if there is one.
    pub(super) path: Option<String>,
}

/// Who decided a value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "origin", content = "variable", rename_all = "lowercase")]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Environment(String),
    /// The settings file.
    File,
    /// Nobody.
    Default,
}

impl Origin {
    /// How the reader would find the value of `setting` that came from here.
    #[must_use]
    pub fn name_of(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("--{}", setting.flag()),
            Self::Environment(name) => name.clone(),
            Self::File => format!("{} (settings file)", setting.key()),
            Self::Default => setting.key(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File => f.write_str("file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting's value in force.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EffectiveSetting {
    /// Which setting.
    #[serde(rename = "name")]
    pub setting: &'static Setting,
    /// The value as people may see it: passwords blanked, empty when unset.
    #[serde(rename = "value")]
    pub shown: String,
    /// Who decided it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// The text of a setting.
#[derive(Clone)]
struct RawValue {
    text: String,
    origin: Origin,
    /// The file that it was read from, if it has one of its own.
    file: Option<String>,
}

impl ValueSources<'_> {
    /// The strongest text that somebody gave; none when nobody gave one.
    fn given(&self, setting: &Setting) -> Result<Option<RawValue>, Problem> {
        let environment = self.environment_text(setting)?;
        let plain = |text: &String, origin| RawValue {
            text: text.clone(),
            origin,
            file: None,
        };
        if let Some(text) = self.flags.get(&setting.flag()) {
            return Ok(Some(plain(text, Origin::Flag)));
        }
        let in_file = || Some(plain(self.file.get(&setting.key())?, Origin::File));
        Ok(environment.or_else(in_file))
    }

    fn environment_text(&self, setting: &Setting) -> Result<Option<RawValue>, Problem> {
        let variables = setting.variables().into_iter();
        let mut given = variables.filter_map(|(name, is_file)| {
            let text = self.environment.get(&name)?;
            Some((name, is_file, text))
        });
        let Some((name, is_file, text)) = given.next() else {
            return Ok(None);
        };
        if let Some((other, ..)) = given.next() {
            let text = format!("is set, and {other} is set as well; unset one of them");
            return Err(Problem { name, text });
        }
        let file = is_file.then(|| text.to_owned());
        let text = match &file {
            Some(path) => read_secret(&name, path)?,
            None => text.to_owned(),
        };
        if text.contains('\u{FFFD}') {
            let text = "is not valid UTF-8".to_owned();
            return Err(Problem { name, text });
        }
        Ok(Some(RawValue {
            text,
            origin: Origin::Environment(name),
            file,
        }))
    }
}

/// Reads settings one by one, and notes what is wrong instead of stopping at it.
pub(super) struct Reader<'a> {
    sources: &'a ValueSources<'a>,
    /// What was read so far, by flag. A file may be one that can be read once.
    raw: BTreeMap<String, RawValue>,
    /// A default computed from other settings; `Setting::default` holds only its description.
    pub(super) special_default: Option<(&'static Setting, &'static str)>,
    pub(super) entries: Vec<EffectiveSetting>,
    pub(super) problems: Vec<Problem>,
    /// What is allowed but probably not meant.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a ValueSources<'a>) -> Self {
        Self {
            sources,
            raw: BTreeMap::new(),
            special_default: None,
            entries: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The value of `setting`. None: a problem was noted.
    pub(super) fn read<T: Value>(&mut self, setting: &'static Setting) -> Option<T> {
        let special = self
            .special_default
            .filter(|(special, _)| special.is(setting));
        let default = special.map_or(setting.default, |(_, default)| default);
        let given = match self.sources.given(setting) {
            Ok(given) => given,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let raw = given.unwrap_or_else(|| RawValue {
            text: default.to_owned(),
            origin: Origin::Default,
            file: None,
        });
        self.raw.insert(setting.flag(), raw.clone());
        let RawValue { text, origin, file } = raw;
        match parse::<T>(setting, &text) {
            Ok(value) => {
                self.warnings
                    .extend(file.as_deref().map(Path::new).and_then(open_to_others));
                if matches!(setting.kind, ValueKind::Money(..)) && origin != Origin::Default {
                    let bare = bare_amount(&origin.name_of(setting), &text);
                    self.warnings.extend(bare);
                }
                let shown = value.show(setting);
                if origin == Origin::File && shown.contains("***") {
                    let path = self.sources.path.as_deref();
                    let warning = path.map(Path::new).and_then(open_to_others);
                    let is_new = |warning: &String| !self.warnings.contains(warning);
                    self.warnings.extend(warning.filter(is_new));
                }
                self.entries.push(EffectiveSetting {
                    setting,
                    shown,
                    origin,
                });
                Some(value)
            }
            Err(text) => {
                let name = origin.name_of(setting);
                self.problems.push(Problem { name, text });
                None
            }
        }
    }

    /// The same value once more, to compare it with others. None: there is no good one.
    pub(super) fn value<T: Value>(&self, setting: &Setting) -> Option<T> {
        parse(setting, &self.text(setting)?).ok()
    }

    fn text(&self, setting: &Setting) -> Option<String> {
        if let Some(raw) = self.raw.get(&setting.flag()) {
            return Some(raw.text.clone());
        }
        let given = self.sources.given(setting).ok()?;
        Some(given.map_or(setting.default.to_owned(), |it| it.text))
    }

    /// The number that `setting` has, in the unit of its kind; 0 without one.
    pub(super) fn number(&self, setting: &Setting) -> u64 {
        let text = self.text(setting).unwrap_or_default();
        setting.kind.number(&text).unwrap_or_default()
    }

    /// Notes that the value of `setting` does not go with the others.
    pub(super) fn refuse(&mut self, setting: &Setting, text: impl Into<String>) {
        let name = self.origin(setting).name_of(setting);
        let text = text.into();
        self.problems.push(Problem { name, text });
    }

    /// The file that holds the value of a secret, when it was given as one.
    pub(super) fn secret_file(&self, setting: &Setting) -> Option<PathBuf> {
        self.raw
            .get(&setting.flag())?
            .file
            .as_ref()
            .map(PathBuf::from)
    }

    /// Who decided the value of `setting`.
    pub(super) fn origin(&self, setting: &Setting) -> Origin {
        let raw = self.raw.get(&setting.flag());
        raw.map_or(Origin::Default, |raw| raw.origin.clone())
    }
}

fn parse<T: Value>(setting: &Setting, text: &str) -> Result<T, String> {
    if !text.is_empty() {
        (setting.check)(text)?;
    }
    T::parse(setting, text)
}

/// What to say of an amount without a unit, which is rarely meant.
fn bare_amount(name: &str, text: &str) -> Option<String> {
    let micro_usd = text.parse().ok().filter(|micro_usd| *micro_usd > 0)?;
    let dollars = unit::show_money(micro_usd);
    Some(format!(
        "{name} is {text} without a unit, which is {dollars}; {text}usd would be {text} dollars"
    ))
}
