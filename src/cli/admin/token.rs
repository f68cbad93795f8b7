//! `admin token`: credentials for an access file.
use std::{
    io::{Write, stderr},
    path::Path,
};

use clap::{Arg, ArgMatches, Command};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    app::{AccessEntry, NewToken},
    cli::{
        args::{group, option, switch, text},
        failure::Failure,
        output::{self, Output},
    },
    config::EnvVars,
    domain::{CallerId, Role},
};

/// `token` and its verbs.
pub(super) fn command() -> Command {
    let name = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .value_parser(|text: &str| {
            let is_name = CallerId::is_name(text);
            is_name.then(|| text.to_owned()).ok_or(CallerId::NAME_RULE)
        })
        .help("Who will have it: the name in logs, in the history and for limits");
    let role = option("role", "ROLE")
        .value_parser(Role::ALL.map(Role::as_str))
        .default_value(Role::Viewer.as_str())
        .help("What it may do");
    let on_behalf = switch(
        "on-behalf",
        "Lets it call for others, whom x-caller-id names",
    );
    let access_file = option("access-file", "FILE").help(
        "Adds the lines to this file, if a server takes it with them, instead of showing them",
    );
    let new = Command::new("new")
        .about("Makes a token, and the lines that an access file needs for it")
        .args([name, role, on_behalf, access_file, output::arg()])
        .after_help(
            "Examples:\n  \
             # the token to a file for the caller, the lines to the server's access file; umask: for nobody else's eyes\n  \
             (umask 077; challenges-catalog admin token new shop --access-file access.toml >shop.token)\n\n\
             The token is shown this once; the access file has only its hash. Without --access-file the lines go to standard error.",
        );
    group("token", "Makes credentials for --access-file").subcommand(new)
}

/// A token and its lines, for programs.
#[derive(Serialize)]
struct Made<'a> {
    token: &'a str,
    sha256: &'a str,
    entry: &'a str,
}

/// Does what stands behind `admin token`.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some(("new", matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let made = NewToken::random();
    let (name, role) = (text(matches, "name"), text(matches, "role"));
    let on_behalf = if matches.get_flag("on-behalf") {
        "on_behalf = true\n"
    } else {
        ""
    };
    let entry = format!(
        "[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nrole = \"{role}\"\n{on_behalf}",
        made.sha256
    );
    let file = matches.get_one::<String>("access-file");
    let addition = file.map(|file| AccessEntry::check(Path::new(file), &entry));
    let addition = addition.transpose();
    let addition =
        addition.map_err(|problem| Failure::failed(format!("{problem}; nothing was added")))?;
    let token = made.token.expose_secret();
    let output = Output::new(matches, environment);
    let told = if output.is_data() {
        output.data(&Made {
            token,
            sha256: &made.sha256,
            entry: &entry,
        })
    } else {
        if addition.is_none() {
            // As they are: a line that is broken to fit a terminal is no TOML.
            let _ = writeln!(stderr(), "{entry}");
        }
        output::line(token)
    };
    told.map_err(|failure| match &addition {
        // A pipe that is closed is no failure elsewhere.
        Some(_) if failure.message.is_empty() => {
            Failure::failed("nobody took the token, so nothing was added to the access file")
        }
        Some(_) | None => failure,
    })?;
    // Last: a token that nobody got is to open nothing.
    let added = addition.as_ref().map_or(Ok(()), AccessEntry::add);
    added.map_err(|error| {
        Failure::caused(
            "the token is of no use: the access file cannot be written",
            &error,
        )
    })
}
