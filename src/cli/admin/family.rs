use clap::{ArgMatches, Command};

use super::{cache, challenges, flags, settings, tips};
use crate::{cli::failure::Failure, config::EnvVars};

/// `admin`, with every family.
pub(in crate::cli) fn command() -> Command {
    Command::new("admin")
        .about("Operates a running fleet")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(cache::command())
        .subcommand(challenges::command())
        .subcommand(flags::command())
        .subcommand(settings::command())
        .subcommand(tips::command())
}

/// Does what the family's command says.
pub(in crate::cli) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("cache", matches)) => cache::run(matches, environment),
        Some(("challenges", matches)) => challenges::run(matches, environment),
        Some(("flags", matches)) => flags::run(matches, environment),
        Some(("settings", matches)) => settings::run(matches, environment),
        Some(("tips", matches)) => tips::run(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}
