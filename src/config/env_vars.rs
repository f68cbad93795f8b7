//! The environment variables, as they are read once.
use std::{collections::BTreeMap, ffi::OsString};

/// The environment variables of the process. A variable that is empty counts as unset.
#[derive(Clone, Default)]
pub struct EnvVars(BTreeMap<String, String>);

impl EnvVars {
    /// What this process was started with. Bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os();
        variables
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// The variable's value, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for EnvVars {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        let mut variables: BTreeMap<String, String> = pairs.collect();
        variables.retain(|_, value| !value.is_empty());
        Self(variables)
    }
}
