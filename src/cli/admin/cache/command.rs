//! Defines the commands of `admin cache`, and calls the one that was typed.
use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::{invalidate, status, warm, watch};
use crate::{
    cli::{
        args::{group, option, suggest, switch},
        failure::Failure,
        id, settings,
    },
    config::{EnvVars, ValueKind},
    domain::Tag,
};

/// How often a dashboard may look, in milliseconds.
const INTERVALS: [u64; 2] = [100, 3_600_000];

/// Defines `admin cache` and its commands.
pub(in crate::cli::admin) fn command() -> Command {
    let about = "Shows, invalidates and warms the caches of a fleet";
    group("cache", about).subcommands([status_command(), invalidate_command(), warm_command()])
}

/// Runs the command that stands behind `admin cache`.
pub(in crate::cli::admin) fn run(
    matches: &ArgMatches,
    environment: &EnvVars,
) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("status", matches)) if matches.get_flag("watch") => watch::run(matches, environment),
        Some(("status", matches)) => status::run(matches, environment),
        Some(("invalidate", matches)) => invalidate::run(matches, environment),
        Some(("warm", matches)) => warm::run(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}

fn status_command() -> Command {
    let interval = option("interval", "DURATION")
        .value_parser(interval)
        .requires("watch")
        .help("How often --watch looks; default: 1s");
    Command::new("status")
        .about("Shows the state of the caches of a running server, or of all replicas")
        .args([
            switch("all", "Shows every replica, not only the one that answers"),
            switch(
                "watch",
                "Goes on until Ctrl-C: a small dashboard, or a line for each look in a pipe",
            ),
            interval,
        ])
        .args(settings::call_args())
        .after_help("Examples:\n  \
             # one row a replica\n  \
             challenges-catalog admin cache status --all\n  \
             # hit ratio, rate and latencies, redrawn every second\n  \
             challenges-catalog admin cache status --all --watch\n\n\
             In a pipe --watch writes, parted by tabs: answers in a second, the part from a cache, and how many replicas report and are silent, or `unknown` for these while the database is away.\n\
             \n\
             Exit codes: 0 done; 1 failed, or the database is away, so that with --all only the replica that answers is shown; 2 wrong usage; 130 --watch was ended by Ctrl-C.")
}

fn invalidate_command() -> Command {
    let tag = option("tag", "TAG")
        .value_parser(suggest(
            |text: &str| text.parse::<Tag>().map(|_| text.to_owned()),
            [
                "challenges",
                "difficulty:beginner",
                "difficulty:intermediate",
                "difficulty:advanced",
            ],
        ))
        .help("All that depends on it");
    let id = ids("All that shows one of these challenges");
    Command::new("invalidate")
        .about("Invalidates cached entries in the whole fleet, and waits for the proof")
        .args([
            tag,
            id,
            switch("all", "Everything; asks first"),
            switch(
                "soft",
                "Copies from before may still be served, marked stale, while the database is gone; the default",
            ),
            switch("hard", "Copies from before are never served again").conflicts_with("soft"),
            switch("validate-only", "Only counts what the server would drop"),
            switch("no-wait", "Comes back without waiting for the replicas"),
            switch("yes", "Does not ask; needed in scripts"),
        ])
        .group(ArgGroup::new("what").args(["tag", "id", "all"]).required(true))
        .args(settings::call_args())
        .after_help("Examples:\n  \
             # after it no replica calls an older copy fresh\n  \
             challenges-catalog admin cache invalidate --tag difficulty:beginner\n  \
             # in a script\n  \
             challenges-catalog admin cache invalidate --all --hard --yes\n\n\
             Exit codes: 0 done, also when silent replicas were fenced off; 1 failed, or answered no; 2 wrong usage, or nobody to ask and no --yes.")
}

fn warm_command() -> Command {
    let list = option("list", "DIFFICULTY[:SIZE]")
        .value_parser(suggest(
            warm::first_page,
            ["all", "beginner", "intermediate", "advanced"],
        ))
        .num_args(1..)
        .action(ArgAction::Append)
        .help("First pages beside the common ones, such as beginner:10 or all");
    Command::new("warm")
        .about("Loads the most common queries into the caches, and what else is named")
        .args([list, ids("Challenges to load as well")])
        .args(settings::call_args())
        .after_help(
            "Examples:\n  \
             # with a progress bar on a terminal\n  \
             challenges-catalog admin cache warm --list advanced:100\n\n\
             Ctrl-C ends it; what was loaded stays. One warmer runs in a fleet at a time.",
        )
}

fn ids(help: &'static str) -> Arg {
    option("id", "ID")
        .value_parser(id::typed)
        .num_args(1..)
        .action(ArgAction::Append)
        .help(help)
}

fn interval(text: &str) -> Result<Duration, String> {
    let [min, max] = INTERVALS;
    ValueKind::Duration(min, max)
        .number(text)
        .map(Duration::from_millis)
}
