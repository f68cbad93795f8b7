//! Asks for confirmation before a change that cannot be undone.
use std::io::{IsTerminal, Write, stderr, stdin};

use super::failure::Failure;

/// Asks a person whether to go on; no is exit code 1. Where nobody can be asked, the command was
/// typed wrongly, which is exit code 2: `--yes` and `otherwise` are what to type instead.
pub(super) fn confirm(what: &str, otherwise: &str) -> Result<(), Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let problem = format!("{what} Nobody can be asked here: confirm it with --yes");
        return Err(Failure::failed(problem).with_code(2).with_line(otherwise));
    }
    // Standard output is for the answer of the command.
    let asked = write!(stderr(), "{what} Go on? [y/N] ").and_then(|()| stderr().flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| stdin().read_line(&mut answer));
    read.map_err(|error| Failure::caused("cannot ask", &error))?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::failed("not confirmed; nothing was changed"))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "YES\n", " yes "] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yess\n", "sure\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
