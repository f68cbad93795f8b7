//! Completion in a shell: the script that `completions` writes asks this program for each word, and
//! ids of challenges are those that the server has.
use std::{
    ffi::{OsStr, OsString},
    io::{Write, stdout},
    path::{Path, absolute},
    time::Duration,
};

use clap::{ArgMatches, Command};
use clap_complete::{
    engine::{ArgValueCompleter, CompletionCandidate},
    env::{EnvCompleter, Shells},
};
use serde_json::json;

use super::{
    command::{NAME, command},
    failure::Failure,
    id,
    output::{self, Output},
    runtime, settings,
    shared_flags::placed,
};
use crate::config::{ClientConfig, EnvVars};

/// Names the shell that asks; its script sets it.
const SHELL: &str = "CATALOG_COMPLETE";
/// Which of the words is to be completed; a shell without it asks for the last one.
const INDEX: &str = "_CLAP_COMPLETE_INDEX";
/// How long a completion waits for the server before it offers nothing: somebody waits at the keyboard.
const SERVER_TIMEOUT: Duration = Duration::from_secs(1);
/// As many as somebody might read.
const IDS_MAX: usize = 100;

/// `version`.
pub(super) fn version(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let output = Output::new(matches, environment);
    if output.is_data() {
        return output.data(&json!({ "name": NAME, "version": version }));
    }
    output::line(&format!("{NAME} {version}"))
}

/// `completions SHELL`, typed as `program`.
pub(super) fn completions(matches: &ArgMatches, program: &str) -> Result<(), Failure> {
    let shell = matches
        .get_one::<String>("shell")
        .map_or("bash", String::as_str);
    let known = Shells::builtins();
    let shell = known.completer(shell).ok_or_else(|| Failure::quiet(2))?;
    output::line(script(shell, program)?.trim_end())
}

/// The script calls a program from the path by its name, and one from a folder wherever the shell is by then.
fn script(shell: &dyn EnvCompleter, program: &str) -> Result<String, Failure> {
    let path = absolute(program)
        .ok()
        .filter(|_| Path::new(program).components().count() > 1);
    let path = path.map_or_else(
        || program.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    );
    let mut script = Vec::new();
    let written = shell.write_registration(SHELL, NAME, NAME, &path, &mut script);
    written.map_err(|error| Failure::caused("cannot write the script", &error))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Answers a shell that completes a word, and tells whether one asked. What goes wrong offers
/// nothing: a message would end up within the line that somebody types.
pub(super) fn answered(args: &[OsString], environment: &EnvVars) -> bool {
    let Some(shell) = environment.get(SHELL) else {
        return false;
    };
    let words = args.iter().skip_while(|arg| *arg != "--").skip(1);
    let mut words: Vec<_> = words.cloned().collect();
    let index = environment.get(INDEX).and_then(|index| index.parse().ok());
    let index = index.unwrap_or(words.len().saturating_sub(1));
    let begun = words.drain(index.min(words.len())..).next();
    let typed = placed(words, &command());
    let config = client(&typed, environment);
    let words = typed.into_iter().chain(begun).collect();
    let ids = ArgValueCompleter::new(move |begun: &OsStr| offered(config.as_ref(), begun));
    let mut offers = Vec::new();
    let shells = Shells::builtins();
    let shell = shells.completer(shell);
    let written = shell.map(|shell| {
        let mut command = with_shared(with_ids(command(), &ids));
        shell.write_complete(&mut command, words, None, &mut offers)
    });
    if let Some(Ok(())) = written {
        // Nobody is left to be told when the shell is gone.
        let _ = stdout().write_all(&offers);
    }
    true
}

/// The server that is meant by what was typed so far.
fn client(typed: &[OsString], environment: &EnvVars) -> Option<ClientConfig> {
    let matches = command()
        .ignore_errors(true)
        .try_get_matches_from(typed)
        .ok()?;
    let mut leaf = &matches;
    while let Some((_, deeper)) = leaf.subcommand() {
        leaf = deeper;
    }
    ClientConfig::load(&settings::flags(leaf), environment).ok()
}

/// The same commands, with `ids` to choose from wherever one names a challenge that is there.
fn with_ids(command: Command, ids: &ArgValueCompleter) -> Command {
    let is_new = command.get_name() == "create";
    command
        .mut_args(|arg| {
            if arg.get_id() == "id" && !is_new {
                arg.add(ids.clone())
            } else {
                arg
            }
        })
        .mut_subcommands(|command| with_ids(command, ids))
}

/// The same commands, with the flags that may stand before a command where they may stand.
fn with_shared(command: Command) -> Command {
    if !command.has_subcommands() {
        return command;
    }
    command
        .args(settings::call_args().into_iter().map(|arg| arg.hide(true)))
        .mut_subcommands(with_shared)
}

/// Ids that begin as the word does, each with its challenge's title.
fn offered(config: Option<&ClientConfig>, begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy().to_ascii_lowercase();
    let challenges = config.and_then(|config| {
        let config = ClientConfig {
            timeout: config.timeout.min(SERVER_TIMEOUT),
            ..config.clone()
        };
        let asked = id::beginning_with(&config, std::slice::from_ref(&begun), IDS_MAX);
        runtime::command().ok()?.block_on(asked).ok()
    });
    let challenges = challenges.unwrap_or_default().ids.into_iter();
    challenges
        .map(|(id, title)| CompletionCandidate::new(id).help(Some(title.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_a_script_that_asks_the_program_as_it_was_called() {
        for shell in Shells::builtins().iter() {
            let called = script(shell, "challenges-catalog").unwrap();
            assert!(called.contains(SHELL) && called.contains(NAME), "{called}");
            assert!(
                script(shell, "/opt/x/catalog")
                    .unwrap()
                    .contains("/opt/x/catalog")
            );
        }
    }
}
