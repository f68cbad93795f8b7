//! Defines the commands of `admin challenges`, and calls the one that was typed.
use std::path::PathBuf;

use clap::{Arg, ArgGroup, ArgMatches, Command, value_parser};

use super::{args, edit, export, history, import};
use crate::{
    cli::{
        args::{group, option, switch, whole},
        challenge,
        failure::Failure,
        id, settings,
    },
    config::EnvVars,
    domain::{CHALLENGE_FIELDS, ChallengeId},
};

/// `admin challenges`.
pub(in crate::cli::admin) fn command() -> Command {
    group("challenges", "Edits the catalog")
        .subcommands([create(), update(), delete(), revert(), history()])
        .subcommands([import(), export()])
}

/// Runs the command that stands behind `admin challenges`.
pub(in crate::cli::admin) fn run(
    matches: &ArgMatches,
    environment: &EnvVars,
) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("create", matches)) => edit::create(matches, environment),
        Some(("update", matches)) => edit::update(matches, environment),
        Some(("delete", matches)) => edit::delete(matches, environment),
        Some(("revert", matches)) => edit::revert(matches, environment),
        Some(("history", matches)) => history::run(matches, environment),
        Some(("import", matches)) => import::run(matches, environment),
        Some(("export", matches)) => export::run(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}

fn create() -> Command {
    let id = id::arg()
        .required(false)
        .long("id")
        .value_parser(|text: &str| ChallengeId::parse(text).map(|id| id.to_string()))
        .help("The UUID it shall have; default: a new one");
    let needed = |arg: Arg| {
        let is_needed = matches!(arg.get_id().as_str(), "difficulty" | "title");
        arg.required(is_needed)
    };
    Command::new("create")
        .about("Adds a challenge")
        .arg(id)
        .args(challenge::flags().map(needed))
        .args(args::terms())
        .args(settings::call_args())
}

fn update() -> Command {
    let any_field = ArgGroup::new("fields")
        .args(CHALLENGE_FIELDS)
        .required(true)
        .multiple(true);
    Command::new("update")
        .about("Changes those fields of a challenge that are given")
        .arg(id::arg())
        .args(challenge::flags())
        .group(any_field)
        .arg(args::etag())
        .args(args::terms())
        .args(settings::call_args())
}

fn delete() -> Command {
    Command::new("delete")
        .about("Deletes a challenge; `revert` brings it back")
        .args([id::arg(), args::etag(), args::yes()])
        .args(args::terms())
        .args(settings::call_args())
        .after_help("Exit codes: 0 done; 1 failed, or answered no; 2 wrong usage, or nobody to ask and no --yes.")
}

fn revert() -> Command {
    let revision = Arg::new("revision")
        .value_name("REVISION")
        .required(true)
        .value_parser(whole::<i64>(1..=i64::MAX))
        .help("The number of the revision, as `history` shows it");
    Command::new("revert")
        .about("Makes a challenge what it was at a revision, deleted or not")
        .args([id::arg(), revision, args::etag()])
        .args(args::terms())
        .args(settings::call_args())
}

fn history() -> Command {
    let id = id::arg()
        .required(false)
        .help("The challenge's UUID, or its first 8 digits or more; default: all challenges");
    let limit = option("limit", "NUMBER")
        .value_parser(whole::<u32>(1..=100_000))
        .default_value("50")
        .help("How many changes to show");
    Command::new("history")
        .about("Shows who changed what and when, the newest first")
        .args([id, limit])
        .args(settings::call_args())
        .after_help("`history prune` shortens it, and so does a server's history-retention.")
}

fn import() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("A JSON list of challenges, or one JSON object after another; - for standard input");
    let upsert = switch(
        "upsert",
        "Changes challenges that are there; without it, all must be new",
    );
    Command::new("import")
        .about("Adds or changes many challenges: all of the file, or nothing")
        .args([file, upsert])
        .args(args::terms())
        .args(settings::call_args())
        .after_help(
            "Fields: id, difficulty, title, points; description and tips may be left out.\n\
             Nothing is changed when any row is wrong, or when the command is ended by Ctrl-C.",
        )
}

fn export() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Where to; - or nothing for standard output");
    Command::new("export")
        .about("Writes all challenges of one moment, in the form that `import` takes")
        .arg(file)
        .args(settings::call_args())
        .mut_arg("output", |output| {
            let output = output.value_parser(["json"]);
            output.help("JSON, which is its only format")
        })
}
