use std::{
    ffi::OsString,
    io::{Write, stderr},
    process::ExitCode,
};

use clap::ArgMatches;

use super::{
    admin,
    command::{NAME, command},
    completions, config, database,
    failure::Failure,
    get, health, history, list, man,
    placing::placed,
    serve, tips, verify,
};
use crate::config::{Environment, blank_passwords};

/// Does what `args` say, the first of which is the program's name.
///
/// The exit code is 0 when it was done, 1 when it failed and 2 when it was
/// asked wrongly; `health` and `verify` have their own.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let command = command();
    let args = placed(args, &command);
    let program = args.first().map(|arg| arg.to_string_lossy().into_owned());
    let program = program.unwrap_or_else(|| NAME.to_owned());
    match command.try_get_matches_from(args) {
        Ok(matches) => match dispatch(&matches, environment, &program) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(environment),
        },
        Err(error) => usage(&error),
    }
}

fn dispatch(matches: &ArgMatches, environment: &Environment, program: &str) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("migrate", matches)) => database::migrate(matches, environment),
        Some(("seed", matches)) => database::seed(matches, environment),
        Some(("history", matches)) => history::run(matches, environment),
        Some(("verify", matches)) => verify::run(matches, environment),
        Some(("config", matches)) => config::run(matches, environment),
        Some(("health", matches)) => health::run(matches, environment),
        Some(("list", matches)) => list::run(matches, environment),
        Some(("get", matches)) => get::run(matches, environment),
        Some(("tips", matches)) => tips::run(matches, environment),
        Some(("admin", matches)) => admin::run(matches, environment),
        Some(("man", matches)) => man::run(matches),
        Some(("version", matches)) => completions::version(matches, environment),
        Some(("completions", matches)) => completions::completions(matches),
        Some(("serve", matches)) => serve::run(matches, environment, program),
        Some(_) | None => serve::run(matches, environment, program),
    }
}

/// Help goes to standard output, faults to standard error; no fault repeats a password.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let blanked = blank_passwords(&text);
    // Nobody is left to be told when the stream is closed.
    let _ = if error.use_stderr() && blanked != text {
        write!(stderr(), "{blanked}")
    } else {
        error.print()
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
