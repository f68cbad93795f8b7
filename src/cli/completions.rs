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
    let script = String::from_utf8_lossy(&script);
    // Upstream spells a name with a hyphen in two ways, and then completes nothing behind the first
    // word (clap-rs/clap #6386, #6421). Once that is mended, there is nothing here to replace.
    script.replace(&NAME.replace('-', "__subcmd__"), &NAME.replace('-', "__"))
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
