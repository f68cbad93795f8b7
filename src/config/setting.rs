//! What is known of a setting before it has a value, and the names that follow from its own.
use serde::{Serialize, Serializer};
use strsim::levenshtein;

use super::value_kind::ValueKind;

/// What the names of variables begin with that are of this program alone.
pub(super) const OWN: &str = "CATALOG_";
pub(super) const SECOND: u64 = 1_000;
pub(super) const DAY: u64 = 86_400 * SECOND;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

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
    /// The listeners and their limits.
    Server,
    /// HTTP and JSON beside gRPC.
    Http,
    /// Who may come in, and how the way there is encrypted.
    Access,
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
            Self::Http => "HTTP and JSON",
            Self::Access => "Access",
            Self::Log => "Log",
            Self::Client => "Client",
        }
    }
}

/// One setting, as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag, in capitals and with `_` for `-` or not.
    name: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// Where help texts list it.
    pub section: Section,
    /// What its text must look like.
    pub kind: ValueKind,
    /// The default as one would write it; empty when there is none.
    pub default: &'static str,
    /// Whether the value must never be shown as it is. Then `<env>_FILE` may name a file that holds it.
    pub secret: bool,
    /// One sentence.
    pub help: &'static str,
    /// What its text must be beside what its type asks for.
    pub(super) check: fn(&str) -> Result<(), String>,
}

const fn of_kind(kind: ValueKind) -> Setting {
    Setting {
        name: "",
        env: "",
        section: Section::File,
        kind,
        default: "",
        secret: false,
        help: "",
        check: |_| Ok(()),
    }
}

pub(super) const fn text(value_name: &'static str, expected: &'static str) -> Setting {
    of_kind(ValueKind::Text {
        value_name,
        expected,
    })
}

pub(super) const fn switch() -> Setting {
    of_kind(ValueKind::Switch)
}

pub(super) const fn count(min: u64, max: u64) -> Setting {
    of_kind(ValueKind::Count(min, max))
}

pub(super) const fn duration(min_ms: u64, max_ms: u64) -> Setting {
    of_kind(ValueKind::Duration(min_ms, max_ms))
}

pub(super) const fn bytes(min: u64, max: u64) -> Setting {
    of_kind(ValueKind::Bytes(min, max))
}

pub(super) const fn money(min: u64, max: u64) -> Setting {
    of_kind(ValueKind::Money(min, max))
}

/// How a declaration goes on.
impl Setting {
    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    /// For a variable that others know as well, or that had its name before.
    pub(super) const fn env(self, env: &'static str) -> Self {
        Self { env, ..self }
    }

    pub(super) const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    pub(super) const fn checked(self, check: fn(&str) -> Result<(), String>) -> Self {
        Self { check, ..self }
    }

    /// The end of a declaration: `env` is for a setting that has no other variable.
    pub(super) const fn named(
        self,
        name: &'static str,
        env: &'static str,
        section: Section,
        help: &'static str,
    ) -> Self {
        let env = if self.env.is_empty() { env } else { self.env };
        let help = help.trim_ascii();
        Self {
            name,
            env,
            section,
            help,
            ..self
        }
    }
}

impl Setting {
    /// The flag without its dashes, such as `cache-ttl`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The key in the settings file, and the name in `config print`.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase().replace('-', "_")
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name
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

/// By its key.
impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

/// The known name that `name` was probably meant to be.
pub(super) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What all names begin with makes no two of them near.
    let own = |name: &'a str| name.strip_prefix(OWN).unwrap_or(name);
    let name = name.strip_prefix(OWN).unwrap_or(name);
    let known = known
        .into_iter()
        .map(|known| (levenshtein(name, own(known)), known));
    let near = known.filter(|(distance, known)| *distance <= (own(known).len() / 3).min(3));
    near.min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["db_pool_max", "db_pool_min", "log"];
        assert_eq!(suggest("db_poolmax", known), Some("db_pool_max"));
        assert_eq!(suggest("colour", known), None);
        assert_eq!(suggest("tag", known), None);
        let variables = ["CATALOG_LOG", "CATALOG_CACHE_TTL"];
        assert_eq!(suggest("CATALOG_FOO", variables), None);
        assert_eq!(
            suggest("CATALOG_CACHE_TLL", variables),
            Some("CATALOG_CACHE_TTL")
        );
    }
}
