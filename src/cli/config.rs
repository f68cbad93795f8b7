//! The commands `config check`, `config print` and `config redis-acl`: they read the settings, and start no server.
use clap::ArgMatches;
use serde_json::json;

use super::{
    escape::clean,
    failure::{Failure, SERVE_HELP},
    output::{self, Color, Output},
    settings,
};
use crate::{
    app::{access_problems, redis_rules},
    config::{EnvVars, Loaded, Problem, Problems, in_force, load},
};

/// All verbs: exit code 2 when the settings cannot be used.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let output = Output::new(matches, environment);
    match load(&settings::flags(matches), environment) {
        Ok(loaded) if verb == "print" => print(output, &loaded),
        Ok(loaded) if verb == "redis-acl" => redis_acl(output, &loaded),
        Ok(loaded) => check(output, &loaded),
        Err(problems) => refuse(output, &problems),
    }
}

fn print(output: Output, loaded: &Loaded) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&in_force(loaded));
    }
    let rows = loaded.entries.iter().map(|entry| {
        let shown = if entry.shown.is_empty() {
            "–"
        } else {
            &entry.shown
        };
        [entry.setting.key(), clean(shown), entry.origin.to_string()]
    });
    output.whole_rows(["SETTING", "VALUE", "FROM"], rows)
}

fn redis_acl(output: Output, loaded: &Loaded) -> Result<(), Failure> {
    let rules = redis_rules(loaded.config.redis.url.as_ref());
    if output.is_data() {
        return output.data(&json!({ "rules": rules }));
    }
    output::line(&rules)
}

fn check(output: Output, loaded: &Loaded) -> Result<(), Failure> {
    let problems = unusable_files(loaded);
    if !problems.is_empty() {
        return refuse(output, &Problems(problems));
    }
    if output.is_data() {
        return output.data(&json!({ "ok": true, "problems": [], "warnings": loaded.warnings }));
    }
    for warning in &loaded.warnings {
        output::line(&format!(
            "{} {warning}",
            output.paint(Color::Yellow, "warning:")
        ))?;
    }
    output::line(&output.paint(Color::Green, "the settings can be used"))
}

/// The files of certificates and access that a server would not start with, by the name of their setting.
fn unusable_files(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = access_problems(&loaded.config.access);
    for problem in &mut problems {
        let mut entries = loaded.entries.iter();
        let entry = entries.find(|entry| entry.setting.key() == problem.name);
        if let Some(entry) = entry {
            problem.name = entry.origin.name_of(entry.setting);
        }
    }
    problems
}

fn refuse(output: Output, problems: &Problems) -> Result<(), Failure> {
    if !output.is_data() {
        return Err(Failure::settings(problems, SERVE_HELP));
    }
    output.data(&json!({ "ok": false, "problems": problems.0, "warnings": [] }))?;
    Err(Failure::quiet(2))
}
