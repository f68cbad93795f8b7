//! Defines the command line: all commands and their flags.
use std::path::PathBuf;

use clap::{Arg, Command, value_parser};
use clap_complete::env::Shells;

use super::{
    admin,
    args::{group, option, switch, whole},
    history, id, output, settings, tips,
};
use crate::domain::{Difficulty, PageSize};

/// The binary's name.
pub(super) const NAME: &str = env!("CARGO_PKG_NAME");

const EXITS: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage or settings (see `health` and `verify` for theirs).
Settings: flags win over the environment, which wins over the file named by --config.
--addr, --timeout, --token-file, --tls-ca, --client-cert, --client-key and --output (-o) may stand before the command, too.
Colour is used on a terminal only, and never when NO_COLOR is set or TERM is dumb.";

/// Defines the whole command line.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves a catalog of coaching challenges over gRPC")
        .override_usage(
            "challenges-catalog <COMMAND>\n       challenges-catalog [OPTIONS OF serve]    without a command: serve",
        )
        .after_help(EXITS)
        .after_long_help(format!(
            "Examples:\n  \
             # without a command: serve, from a SQLite file in this directory\n  \
             challenges-catalog\n  \
             # ask the running server\n  \
             challenges-catalog list --difficulty beginner\n  \
             # every setting\n  \
             challenges-catalog serve --help\n\n{EXITS}"
        ))
        .infer_subcommands(false)
        .args_conflicts_with_subcommands(true)
        .args(settings::serve_args().into_iter().map(|arg| arg.hide(true)))
        .subcommands([
            serve(),
            migrate(),
            seed(),
            history::command(),
            verify(),
            config(),
        ])
        .subcommands([health(), list(), get(), tips(), admin::command()])
        .subcommands([version(), completions(), man()])
}

fn serve() -> Command {
    Command::new("serve")
        .about("Serves the catalog until SIGTERM or Ctrl-C")
        .args(settings::serve_args())
        .after_help(
            "Examples:\n  \
             # SQLite file, migrated and seeded, on 127.0.0.1:50051\n  \
             challenges-catalog serve\n  \
             # production\n  \
             DATABASE_URL=postgres://… REDIS_URL=redis://… challenges-catalog serve",
        )
}

fn migrate() -> Command {
    let up = Command::new("up").about("Applies what is missing; harmless when repeated");
    let status = Command::new("status")
        .about("Shows what is applied and what is missing")
        .after_help("Exit codes: 0 nothing is pending, 1 something is, or it cannot be told, 2 wrong usage.");
    group("migrate", "Brings the database to this version's schema")
        .subcommands([up, status].map(|sub| sub.args(settings::database_args()).arg(output::arg())))
}

fn seed() -> Command {
    let file = option("file", "FILE")
        .value_parser(value_parser!(PathBuf))
        .help("A JSON file of challenges, instead of those that come with the program");
    Command::new("seed")
        .about("Adds the challenges that are missing; never changes one that is there")
        .args([file, output::arg()])
        .args(settings::database_args())
        .after_help(
            "Examples:\n  \
             # add a catalog of your own\n  \
             challenges-catalog seed --file team.json\n\n\
             Nothing is added when any row of the file is wrong; the row and the field are named.",
        )
}

fn verify() -> Command {
    Command::new("verify")
        .about("Looks for faults in the database and its rows; changes nothing")
        .arg(output::arg())
        .args(settings::database_args())
        .after_help("Exit codes: 0 nothing found, 1 findings, 2 could not check.")
}

fn config() -> Command {
    let check = Command::new("check").about("Tells everything that is wrong with the settings");
    let print = Command::new("print").about(
        "Shows each value that a server starts with and where it came from; passwords are blanked",
    );
    let redis_acl = Command::new("redis-acl").about(
        "Prints the rules of a Redis user with the rights that a server of REDIS_URL needs, and no more",
    );
    let verbs = [check, print, redis_acl];
    group("config", "Checks or shows the settings")
        .subcommands(verbs.map(|verb| verb.args(settings::serve_args()).arg(output::arg())))
}

fn health() -> Command {
    let service = option("service", "SERVICE")
        .default_value("")
        .hide_default_value(true)
        .help("Which service to ask about, such as challenges.catalog.v1.ChallengesCatalog; default: the server");
    let watch = switch(
        "watch",
        "Prints each change with its time until the server is gone (exit code 2)",
    );
    Command::new("health")
        .about("Asks a running server whether it serves, as a Kubernetes probe does")
        .args([service, watch])
        .args(settings::call_args())
        .after_help(
            "Examples:\n  \
             # an exec probe\n  \
             challenges-catalog health --timeout 1s\n\n\
             Exit codes: 0 serving, 1 not serving or unknown service, 2 unreachable.",
        )
}

fn list() -> Command {
    let difficulty = option("difficulty", "DIFFICULTY")
        .value_parser(Difficulty::ALL.map(Difficulty::as_str))
        .help("Only challenges of this difficulty; default: all");
    let page_size = option("page-size", "NUMBER")
        .allow_negative_numbers(true)
        .value_parser(whole::<i32>(1..=i64::from(PageSize::MAX.get())))
        .help(format!(
            "How many a page has; default: {}",
            PageSize::DEFAULT.get()
        ));
    let all = switch("all", "Follows the pages to the end");
    Command::new("list")
        .about("Lists challenges of a running server")
        .args([difficulty, page_size, all])
        .args(settings::call_args())
        .after_help(
            "Examples:\n  \
             # a table on a terminal\n  \
             challenges-catalog list --difficulty beginner\n  \
             # tab-separated in a pipe: id, difficulty, points, title\n  \
             challenges-catalog list --all | cut -f4\n  \
             # the answer, with the field names of the proto\n  \
             challenges-catalog list --output json",
        )
}

fn get() -> Command {
    Command::new("get")
        .about("Shows one challenge of a running server")
        .arg(id::arg())
        .args(settings::call_args())
}

fn tips() -> Command {
    tips::command().args(settings::call_args()).after_help(
        "Examples:\n  \
             # the text as it comes, then its source and how long it took\n  \
             challenges-catalog tips 7368dad2-43a3-4359-95c9-2405f700f00e\n  \
             # in a pipe the whole text, once\n  \
             challenges-catalog tips 7368dad2-43a3-4359-95c9-2405f700f00e | fmt\n  \
             # one event a line\n  \
             challenges-catalog tips 7368dad2-43a3-4359-95c9-2405f700f00e --output json\n\n\
             A tip may take as long as it needs; --timeout is for silence.",
    )
}

fn version() -> Command {
    Command::new("version")
        .about("Shows the version")
        .arg(output::arg())
}

fn completions() -> Command {
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .value_parser(Shells::builtins().names().collect::<Vec<_>>())
        .help("The shell to complete in");
    Command::new("completions")
        .about("Writes completions for a shell")
        .arg(shell)
        .after_help(
            "Examples:\n  \
             # in this shell only\n  \
             source <(challenges-catalog completions bash)",
        )
}

fn man() -> Command {
    let folder = option("folder", "FOLDER")
        .value_parser(value_parser!(PathBuf))
        .help("Writes a page for every command into FOLDER, which is made if need be");
    Command::new("man")
        .about("Writes the manual page of the program, or of every command")
        .arg(folder)
        .after_help(
            "Examples:\n  \
             # read it now\n  \
             challenges-catalog man | man -l -\n  \
             # then `man challenges-catalog-admin-cache` works\n  \
             challenges-catalog man --folder /usr/local/share/man/man1",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CLIENT_SETTINGS, CONFIG_FILE, SETTINGS};

    fn help_of(path: &[&str]) -> String {
        let args = [NAME].iter().chain(path).chain(&["--help"]);
        command()
            .try_get_matches_from(args)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_tree_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_in_the_help_of_the_commands_that_take_it() {
        let text = help_of(&["serve"]);
        for setting in std::iter::once(&CONFIG_FILE).chain(SETTINGS.iter()) {
            assert!(
                text.contains(&format!("--{} ", setting.flag()))
                    || text.contains(&format!("--{}[", setting.flag())),
                "{}",
                setting.flag()
            );
            assert!(text.contains(setting.env), "{}", setting.env);
        }
        for setting in CLIENT_SETTINGS {
            assert!(help_of(&["list"]).contains(&format!("--{} ", setting.flag())));
        }
        assert!(help_of(&["migrate", "up"]).contains("--database-url"));
        assert!(!help_of(&["migrate", "up"]).contains("--grpc-addr"));
    }

    #[test]
    fn flags_of_serve_need_no_command_but_do_not_go_before_another() {
        let parse = |args: &[&str]| command().try_get_matches_from([NAME].iter().chain(args));
        assert!(parse(&["--grpc-addr", "127.0.0.1:0", "--auto-migrate"]).is_ok());
        assert!(parse(&["--log", "debug", "list"]).is_err());
        assert!(parse(&["list", "--difficulty", "easy"]).is_err());
        assert!(parse(&["get", "beg-001"]).is_err());
    }
}
