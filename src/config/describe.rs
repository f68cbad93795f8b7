use std::fmt::Write;

use super::{
    client::CLIENT_SETTINGS,
    setting::Setting,
    table::{CONFIG_FILE, SETTINGS},
};

/// The table of all settings for the README, in Markdown, ending in a line break.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| Environment | Flag | Default | Accepted | What it does |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for setting in std::iter::once(&CONFIG_FILE)
        .chain(SETTINGS)
        .chain(CLIENT_SETTINGS)
    {
        row(&mut table, setting);
    }
    table
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
        setting.flag,
        setting.form.range().replace('|', "\\|"),
        setting.help
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_row() {
        let table = markdown_table();
        assert_eq!(
            table.lines().count(),
            2 + 1 + SETTINGS.len() + CLIENT_SETTINGS.len()
        );
        assert!(table.contains(
            "| `CHALLENGES_CACHE_TTL` | `--cache-ttl` | 10m | 1s to 7d | How long an unchanged"
        ));
        assert!(table.contains("| `REDIS_URL` or `REDIS_URL_FILE` | `--redis-url` | – |"));
    }

    #[test]
    fn no_two_settings_share_a_name() {
        let all = || {
            std::iter::once(&CONFIG_FILE)
                .chain(SETTINGS)
                .chain(CLIENT_SETTINGS)
        };
        let names = |name: fn(&Setting) -> &'static str| {
            all()
                .map(name)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        assert_eq!(names(|setting| setting.flag), all().count());
        assert_eq!(names(|setting| setting.env), all().count());
    }
}
