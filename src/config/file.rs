//! The settings file.
use std::{collections::BTreeMap, path::Path};

use super::{
    bounded::read_text,
    problem::Problem,
    setting::{Setting, suggest},
};

/// What the settings file says, by key.
pub(super) type FileValues = BTreeMap<String, String>;

/// Reads the file at `path`, which `name` named.
pub(super) fn read(name: &str, path: &str, known: &[Setting]) -> (FileValues, Vec<Problem>) {
    let name = name.to_owned();
    match read_text(Path::new(path)) {
        Ok(text) => parse(path, &text, known),
        Err(text) => (FileValues::new(), vec![Problem { name, text }]),
    }
}

/// Reads `text`, the content of the file at `path`. Values become text, so that one parser reads every source.
fn parse(path: &str, text: &str, known: &[Setting]) -> (FileValues, Vec<Problem>) {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => return (FileValues::new(), vec![syntax(path, text, &error)]),
    };
    let keys: Vec<String> = known.iter().map(Setting::key).collect();
    let mut values = FileValues::new();
    let mut problems = Vec::new();
    for (key, value) in table {
        let read = if keys.contains(&key) {
            plain(value)
        } else {
            Err(unknown(&key, &keys))
        };
        match read {
            Ok(value) => {
                values.insert(key, value);
            }
            Err(text) => problems.push(Problem {
                name: format!("{key} in {path}"),
                text,
            }),
        }
    }
    (values, problems)
}

/// The place and the reason, without the line itself: it may hold a password.
fn syntax(path: &str, text: &str, error: &toml::de::Error) -> Problem {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Problem {
        name: format!("{path} line {line}"),
        text: format!("is no TOML: {}", error.message()),
    }
}

fn plain(value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Table(_) => {
            Err("must be a value; keys stand at the top, without sections".to_owned())
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) => {
            Err("must be a string, a whole number, true or false".to_owned())
        }
    }
}

fn unknown(key: &str, keys: &[String]) -> String {
    match suggest(key, keys.iter().map(String::as_str)) {
        Some(near) => format!("is no setting; did you mean {near}?"),
        None => "is no setting; `config print` shows all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;

    fn problems(text: &str) -> Vec<String> {
        parse("f.toml", text, &SETTINGS)
            .1
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn strings_numbers_and_booleans_become_text() {
        let (values, problems) = parse(
            "f.toml",
            "cache_ttl = 60\nauto_migrate = true\nlog = 'debug'",
            &SETTINGS,
        );
        let values: Vec<_> = values
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(values, ["auto_migrate=true", "cache_ttl=60", "log=debug"]);
        assert!(problems.is_empty());
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_near_one_or_with_where_all_are() {
        let found = problems("cache_tll = 60\ncolour = 'red'");
        assert_eq!(
            found[0],
            "cache_tll in f.toml: is no setting; did you mean cache_ttl?"
        );
        assert_eq!(
            found[1],
            "colour in f.toml: is no setting; `config print` shows all"
        );
    }

    #[test]
    fn sections_and_other_types_are_refused() {
        let found = problems("cache_ttl = 1.5\nlog = ['info']\n[redis_url]\nx = 1");
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_fault_of_syntax_names_the_line_and_not_its_text() {
        let found = problems("log = 'info'\ndatabase_url = 'postgres://u:S3CR3T@db/x\n");
        assert!(
            found[0].starts_with("f.toml line 2: is no TOML"),
            "{found:?}"
        );
        assert!(!found[0].contains("S3CR3T"), "{found:?}");
    }
}
