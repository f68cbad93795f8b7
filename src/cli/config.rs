//! `config check` and `config print`.
use clap::ArgMatches;
use serde_json::{Value, json};

use super::{
    failure::Failure,
    output::{self, Color, Output, clean},
    settings,
};
use crate::config::{Entry, Environment, Loaded, Origin, Problems, load};

/// Both verbs: exit code 2 when the settings cannot be used.
pub(super) fn run(matches: &ArgMatches, environment: &Environment) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let output = Output::new(matches, environment);
    match load(&settings::flags(matches), environment) {
        Ok(loaded) if verb == "print" => print(output, &loaded),
        Ok(loaded) => check(output, &loaded),
        Err(problems) if output.is_json() => refuse(&problems),
        Err(problems) => Err(Failure::settings(&problems)),
    }
}

fn print(output: Output, loaded: &Loaded) -> Result<(), Failure> {
    if output.is_json() {
        let settings: Vec<_> = loaded.entries.iter().map(entry).collect();
        return output::json(&json!({ "settings": settings, "warnings": loaded.warnings }));
    }
    let rows = loaded.entries.iter().map(|entry| {
        let shown = if entry.shown.is_empty() {
            "–"
        } else {
            &entry.shown
        };
        [entry.setting.key(), clean(shown), entry.origin.to_string()]
    });
    output.rows(["SETTING", "VALUE", "FROM"], rows)
}

fn check(output: Output, loaded: &Loaded) -> Result<(), Failure> {
    if output.is_json() {
        return output::json(&json!({ "ok": true, "problems": [], "warnings": loaded.warnings }));
    }
    for warning in &loaded.warnings {
        output::line(&format!(
            "{} {warning}",
            output.paint(Color::Yellow, "warning:")
        ))?;
    }
    output::line(&output.paint(Color::Green, "the settings can be used"))
}

fn refuse(problems: &Problems) -> Result<(), Failure> {
    let problems: Vec<_> = problems
        .0
        .iter()
        .map(|problem| json!({ "name": problem.name, "text": problem.text }))
        .collect();
    output::json(&json!({ "ok": false, "problems": problems, "warnings": [] }))?;
    Err(Failure::quiet(2))
}

fn entry(entry: &Entry) -> Value {
    let (origin, variable) = match &entry.origin {
        Origin::Flag => ("flag", None),
        Origin::Environment(name) => ("environment", Some(name)),
        Origin::File => ("file", None),
        Origin::Default => ("default", None),
    };
    let mut value = json!({ "name": entry.setting.key(), "value": entry.shown, "origin": origin });
    if let (Some(object), Some(variable)) = (value.as_object_mut(), variable) {
        object.insert("variable".to_owned(), json!(variable));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    #[test]
    fn what_is_printed_has_the_origin_and_no_secret() {
        let environment: Environment = [
            ("DATABASE_URL", "postgres://u:S3CR3T@db/x"),
            ("REDIS_URL", "redis://:S3CR3T@cache"),
        ]
        .into_iter()
        .collect();
        let loaded = load(&Flags::new(), &environment).unwrap();
        let printed: Vec<_> = loaded.entries.iter().map(entry).collect();
        assert_eq!(
            printed[0],
            json!({
                "name": "database_url",
                "value": "postgres://u:***@db/x",
                "origin": "environment",
                "variable": "DATABASE_URL",
            })
        );
        assert!(!json!(printed).to_string().contains("S3CR3T"));
    }
}
