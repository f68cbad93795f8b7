//! Runs the command that the arguments of the process name, and returns its exit code.
use std::{
    ffi::{OsStr, OsString},
    io::{IsTerminal, stdout},
    process::ExitCode,
};

use clap::{
    ArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};
use unicode_width::UnicodeWidthStr;

use super::{
    admin,
    command::{NAME, command},
    completions, config, database,
    failure::Failure,
    get, health, history, list, man, output,
    screen::{self, Screen},
    serve,
    shared_flags::{is_shared, placed},
    table::wrapped,
    tips, verify,
};
use crate::config::{EnvVars, blank_passwords};

/// On a narrower terminal, help has what a flag does below the flag.
const NARROW: usize = 60;

/// Does what `args` say, the first of which is the program's name.
///
/// The exit code is 0 when it was done, 1 when it failed and 2 when it was
/// asked wrongly; `health` and `verify` have their own.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &EnvVars) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    if completions::answered(&args, environment) {
        return ExitCode::SUCCESS;
    }
    let width = help_width(environment);
    // Beside its flag a text would have a word on each line.
    let is_narrow = (1..NARROW).contains(&width);
    let command = command().term_width(width).next_line_help(is_narrow);
    let args = placed(args, &command);
    let program = args.first().map(|arg| arg.to_string_lossy().into_owned());
    let program = program.unwrap_or_else(|| NAME.to_owned());
    match command.try_get_matches_from(args) {
        Ok(matches) => match dispatch(&matches, environment, &program) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(environment),
        },
        Err(error) => usage(&error, environment),
    }
}

fn dispatch(matches: &ArgMatches, environment: &EnvVars, program: &str) -> Result<(), Failure> {
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
        Some(("completions", matches)) => completions::completions(matches, program),
        Some(("serve", matches)) => serve::run(matches, environment, program),
        Some(_) | None => serve::run(matches, environment, program),
    }
}

/// How wide a help text may be: as the terminal is, and without one as its lines are.
fn help_width(environment: &EnvVars) -> usize {
    if stdout().is_terminal() {
        screen::width_of(stdout(), environment)
    } else {
        0
    }
}

/// What to say of a flag that most commands share, for one that it means nothing to.
fn needless(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != ErrorKind::UnknownArgument || !is_shared(OsStr::new(arg)) {
        return None;
    }
    Some(match arg.as_str() {
        "-o" | "--output" => {
            format!("{arg} makes no sense here: the command has one output format")
        }
        _ => format!("{arg} makes no sense here: the command calls no server"),
    })
}

/// Help goes to standard output, faults to standard error; no fault repeats a password.
fn usage(error: &clap::Error, environment: &EnvVars) -> ExitCode {
    let text = error.to_string();
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if let Some(text) = needless(error) {
        return Failure::failed(text).with_code(code).report(environment);
    }
    if let Some(text) = text.strip_prefix("error: ") {
        let text = blank_passwords(text.trim_end());
        return Failure::failed(text).with_code(code).report(environment);
    }
    if error.use_stderr() {
        screen::remark(text.trim_end(), environment);
        return ExitCode::from(code);
    }
    let has_color = Screen::of(&stdout(), environment).has_color(environment);
    let styled = error.render().ansi().to_string();
    let width = help_width(environment);
    // The lines of usage are as long as they are.
    let lines = text
        .trim_end()
        .lines()
        .zip(styled.lines())
        .map(|(plain, styled)| {
            if width > 0 && plain.width() > width {
                wrapped(plain, width)
            } else if has_color {
                styled.to_owned()
            } else {
                plain.to_owned()
            }
        });
    let lines: Vec<_> = lines.collect();
    match output::line(&lines.join("\n")) {
        Ok(()) => ExitCode::from(code),
        Err(failure) => failure.report(environment),
    }
}
