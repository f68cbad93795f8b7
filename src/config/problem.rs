//! Why settings cannot be used, in words.
use std::fmt;

/// Why one setting cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The setting, as its reader wrote it: `--cache-ttl`, `CHALLENGES_CACHE_TTL` or `cache_ttl in catalog.toml`.
    pub name: String,
    /// What is wrong and what is expected. Never a secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

/// Everything that is wrong with the settings. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// For the log, which has a line for each event.
    #[must_use]
    pub fn on_one_line(&self) -> String {
        self.to_string()
            .replace(":\n  ", ": ")
            .replace("\n  ", "; ")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("a setting cannot be used:")?,
            many => write!(f, "{many} settings cannot be used:")?,
        }
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
