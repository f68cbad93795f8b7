//! Defines `admin` with its families of commands, and calls the one that was typed.
use clap::{ArgMatches, Command};

use super::{cache, challenges, controls, tips, token};
use crate::{
    cli::{args::group, failure::Failure},
    config::EnvVars,
};

/// `admin`, with every family.
pub(in crate::cli) fn command() -> Command {
    group("admin", "Operates a running fleet")
        .subcommands([cache::command(), challenges::command()])
        .subcommands([controls::flags(), controls::runtime_settings()])
        .subcommand(tips::command())
        .subcommand(token::command())
}

/// Runs the family's command.
pub(in crate::cli) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("cache", matches)) => cache::run(matches, environment),
        Some(("challenges", matches)) => challenges::run(matches, environment),
        Some(("flags", matches)) => controls::run_flags(matches, environment),
        Some(("settings", matches)) => controls::run_settings(matches, environment),
        Some(("tips", matches)) => tips::run(matches, environment),
        Some(("token", matches)) => token::run(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}
