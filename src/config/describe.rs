//! The settings as a page shows them, and their values as JSON.
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Loaded, setting::Setting, settings::all};

/// The table of all settings for `docs/settings.md`, in Markdown, ending in a line break.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| Environment | Flag | Default | Accepted | What it does |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    all().for_each(|setting| row(&mut table, setting));
    table
}

/// What a server starts with, with where it comes from and with passwords blanked: what
/// `config print --output json` writes. What operators change by rows is not known here.
#[must_use]
pub fn in_force(loaded: &Loaded) -> Value {
    json!({ "settings": loaded.entries, "warnings": loaded.warnings })
}

fn row(table: &mut String, setting: &Setting) {
    let env = match setting.env_file() {
        Some(file) => format!("`{}` or `{file}`", setting.env),
        None => format!("`{}`", setting.env),
    };
    let default = if setting.default.is_empty() {
        "–"
    } else {
        setting.default
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "| {env} | `--{}` | {default} | {} | {} |",
        setting.flag(),
        setting.kind.range().replace('|', "\\|"),
        setting.help
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EnvVars, Flags, load};

    #[test]
    fn every_setting_has_a_row() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), 2 + all().count());
        assert!(table.contains(
            "| `CHALLENGES_CACHE_TTL` | `--cache-ttl` | 10m | 1s to 7d | How long an unchanged"
        ));
        assert!(table.contains("| `REDIS_URL` or `REDIS_URL_FILE` | `--redis-url` | – |"));
    }

    #[test]
    fn what_is_in_force_has_its_origin_and_no_secret() {
        let environment: EnvVars = [
            ("DATABASE_URL", "postgres://u:S3CR3T@db/x"),
            ("REDIS_URL", "redis://:S3CR3T@cache"),
        ]
        .into_iter()
        .collect();
        let told = in_force(&load(&Flags::new(), &environment).unwrap());
        assert_eq!(
            told["settings"][0],
            json!({
                "name": "database_url",
                "value": "postgres://u:***@db/x",
                "origin": "environment",
                "variable": "DATABASE_URL",
            })
        );
        assert!(!told.to_string().contains("S3CR3T"));
    }

    #[test]
    fn no_two_settings_share_a_name() {
        let names = |name: fn(&Setting) -> String| {
            let names = all().map(name);
            names.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(names(Setting::flag), all().count());
        assert_eq!(names(|setting| setting.env.to_owned()), all().count());
    }
}
