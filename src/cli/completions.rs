//! `completions` and `version`: what the program knows about itself.
use clap::ArgMatches;
use clap_complete::{Shell, generate};
use serde_json::json;

use super::{
    command::{NAME, command},
    failure::Failure,
    output::{self, Output},
};
use crate::config::Environment;

/// `version`.
pub(super) fn version(matches: &ArgMatches, environment: &Environment) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let output = Output::new(matches, environment);
    if output.is_data() {
        return output.data(&json!({ "name": NAME, "version": version }));
    }
    output::line(&format!("{NAME} {version}"))
}

/// `completions SHELL`.
pub(super) fn completions(matches: &ArgMatches) -> Result<(), Failure> {
    let shell = matches
        .get_one::<Shell>("shell")
        .copied()
        .unwrap_or(Shell::Bash);
    output::line(script(shell).trim_end())
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command(), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_completions_that_know_the_commands() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let script = script(shell);
            assert!(
                script.contains("migrate") && script.contains("page-size"),
                "{shell}"
            );
        }
    }
}
