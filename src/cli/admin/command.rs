//! `admin`, and which family a command belongs to.
use clap::{ArgMatches, Command};

use super::tips;
use crate::{cli::failure::Failure, config::Environment};

/// `admin` with all its families.
pub(in crate::cli) fn command() -> Command {
    Command::new("admin")
        .about("Commands for operators of a running server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(tips::command())
}

/// Does what was typed behind `admin`.
pub(in crate::cli) fn run(matches: &ArgMatches, environment: &Environment) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("tips", matches)) => tips::run(matches, environment),
        // clap asks for one of those above.
        Some(_) | None => Ok(()),
    }
}
