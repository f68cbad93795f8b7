//! The command `history prune`: deletes old revisions, without a server.
use std::time::Duration;

use clap::{ArgMatches, Command};
use serde_json::json;

use super::{
    args::{group, option, switch},
    confirm, database,
    failure::Failure,
    output::{self, Output},
    progress::Progress,
    runtime, settings,
};
use crate::{app, config::EnvVars};

/// The longest time that can be given: PostgreSQL counts no days before 4714 BC.
const LONGEST: Duration = Duration::from_hours(36_500 * 24);

/// `history`.
pub(super) fn command() -> Command {
    let older_than = option("older-than", "DURATION")
        .value_parser(age)
        .help("Removes revisions that were made longer ago, such as 90d or 12h; default: history-retention");
    let prune = Command::new("prune")
        .about("Removes old revisions, but for the newest of each challenge that is there")
        .args([
            older_than,
            switch("dry-run", "Only counts them"),
            switch("yes", "Does not ask; needed in scripts"),
            output::arg(),
        ])
        .args(settings::database_args())
        .after_help("Examples:\n  \
             # how many would go\n  \
             challenges-catalog history prune --older-than 365d --dry-run\n  \
             # in a script\n  \
             challenges-catalog history prune --older-than 365d --yes\n\n\
             Works in short steps, beside everything else; Ctrl-C ends it, and what is gone stays gone.\n\
             Exit codes: 0 done; 1 failed, or answered no; 2 wrong usage, or nobody to ask and no --yes.");
    let about = "Shortens the history of changes, which `admin challenges history` shows";
    group("history", about).subcommand(prune)
}

/// Does what the command says.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("prune", matches)) => prune(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}

fn prune(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let database = database::database(matches, environment)?;
    let typed = matches.get_one::<Duration>("older-than").copied();
    let older_than = typed.or(database.history_retention).ok_or_else(|| {
        let problem =
            "nobody says how old: --older-than is missing, and history-retention is not set";
        Failure::failed(problem).with_code(2)
    })?;
    let is_trial = matches.get_flag("dry-run");
    if !is_trial && !matches.get_flag("yes") {
        let what = format!(
            "This removes revisions that are older than {} for good; no challenge changes.",
            humantime::format_duration(older_than)
        );
        confirm::confirm(&what, "--dry-run tells how many there are")?;
    }
    let mut bar = Progress::new("pruning", environment);
    let mut done = 0;
    let mut progress = |removed| {
        done += removed;
        bar.at(done, None, &format!("{done} revisions"));
    };
    let work = app::prune_history(&database, older_than, is_trial, &mut progress);
    let pruned = runtime::command()?.block_on(work);
    bar.finish();
    let pruned = pruned.map_err(|error| Failure::caused("cannot prune", error.as_ref()))?;
    let removed = pruned.ok_or_else(|| {
        Failure::failed(
            "a replica, or another command, is pruning already: try again when it is done",
        )
    })?;
    if output.is_data() {
        return output.data(&json!({ "removed": removed, "dry_run": is_trial }));
    }
    output::line(&if is_trial {
        format!("{removed} revisions would be removed; nothing was changed")
    } else {
        format!("{removed} revisions removed")
    })
}

/// With its unit, always: a bare number is seconds elsewhere, and what is gone is gone.
fn age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text).ok();
    let age = age.filter(|_| !text.contains('M'));
    age.filter(|age| *age <= LONGEST).ok_or_else(|| {
        "must be a number with a unit, at most 36500d, such as 90d or 12h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_unit() {
        assert_eq!(age("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        for bad in ["", "90", "-1d", "36501d", "soon", "10M"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
