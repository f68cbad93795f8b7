use std::time::Duration;

use super::unit;

/// What the names of variables begin with that are of this program alone.
pub(super) const OWN: &str = "CATALOG_";

/// Groups settings in help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Where the settings come from.
    File,
    /// The system of record.
    Database,
    /// The cache that replicas share.
    Redis,
    /// What is remembered, and for how long.
    Cache,
    /// Who writes tips.
    Providers,
    /// How tips are made, kept and limited.
    Tips,
    /// What operators may decide anew.
    Flags,
    /// The listener and its limits.
    Server,
    /// What is written to standard error.
    Log,
    /// The commands that call a server.
    Client,
}

impl Section {
    /// The heading that help texts show.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::File => "Settings file",
            Self::Database => "Database",
            Self::Redis => "Shared cache (Redis)",
            Self::Cache => "Caching",
            Self::Providers => "Providers of tips",
            Self::Tips => "Tips",
            Self::Flags => "Feature flags",
            Self::Server => "Server",
            Self::Log => "Log",
            Self::Client => "Client",
        }
    }
}

/// What a setting's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text that its own type reads.
    Text {
        /// What help texts call the value, such as `URL`.
        value_name: &'static str,
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// On or off.
    Switch,
    /// A whole number, both ends included.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A length of time, both ends included.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A size, both ends included.
    Bytes {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// An amount in millionths of a US dollar, both ends included.
    Money {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

impl Form {
    /// What help texts call the value.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match self {
            Self::Text { value_name, .. } => value_name,
            Self::Switch => "BOOL",
            Self::Count { .. } => "NUMBER",
            Self::Duration { .. } => "DURATION",
            Self::Bytes { .. } => "BYTES",
            Self::Money { .. } => "AMOUNT",
        }
    }

    /// What is accepted, in words.
    #[must_use]
    pub fn range(self) -> String {
        match self {
            Self::Text { expected, .. } => expected.to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Duration { min, max } => {
                format!(
                    "{} to {}",
                    unit::show_duration(min),
                    unit::show_duration(max)
                )
            }
            Self::Count { min, max } | Self::Bytes { min, max } | Self::Money { min, max } => {
                format!("{} to {}", self.show(min), self.show(max))
            }
        }
    }

    /// Reads a number in this form: a count, milliseconds, bytes or millionths of a US dollar.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub fn number(self, text: &str) -> Result<u64, String> {
        unit::number(self, text)
    }

    /// Such a number as people write it: with the largest unit that there is a whole one of.
    #[must_use]
    pub fn show(self, number: u64) -> String {
        match self {
            Self::Text { .. } | Self::Switch | Self::Count { .. } => number.to_string(),
            Self::Duration { .. } => unit::show_duration(Duration::from_millis(number)),
            Self::Bytes { .. } => unit::show_bytes(number),
            Self::Money { .. } => unit::show_money(number),
        }
    }
}

/// One setting: a row of the table that flags, environment, file and
/// documentation are all made from.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without its dashes, such as `cache-ttl`.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// Where help texts list it.
    pub section: Section,
    /// What its text must look like.
    pub form: Form,
    /// The default as one would write it; empty when there is none.
    pub default: &'static str,
    /// Whether the value must never be shown as it is. Then `<env>_FILE` may name a file that holds it.
    pub secret: bool,
    /// One sentence.
    pub help: &'static str,
}

impl Setting {
    /// The key in the settings file, and the name in `config print`.
    #[must_use]
    pub fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// The environment variable that names a file holding the value; secrets only.
    #[must_use]
    pub fn env_file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.env))
    }

    /// The variables of the setting: its own, which others know as well, and `CATALOG_` with the
    /// flag. Each with whether it names a file that holds the value.
    pub(super) fn variables(&self) -> Vec<(String, bool)> {
        let name = format!("{OWN}{}", self.key().to_ascii_uppercase());
        let mut variables = vec![(self.env.to_owned(), false)];
        if !self.env.starts_with(OWN) {
            variables.push((name, false));
        }
        let files = variables.clone().into_iter();
        let files = files.map(|(name, _)| (format!("{name}_FILE"), true));
        variables.extend(files.filter(|_| self.secret));
        variables
    }
}
