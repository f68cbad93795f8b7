use std::fmt;

use super::setting::Setting;

/// Who decided a value.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub(super) fn name_of(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("--{}", setting.flag),
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
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which setting.
    pub setting: &'static Setting,
    /// The value as people may see it: passwords blanked, empty when unset.
    pub shown: String,
    /// Who decided it.
    pub origin: Origin,
}
