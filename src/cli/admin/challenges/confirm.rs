use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use crate::cli::failure::Failure;

/// Asks whoever sits there whether `what` is meant; a script must say so with `--yes`.
pub(super) fn confirm(what: &str, is_sure: bool) -> Result<(), Failure> {
    if is_sure {
        return Ok(());
    }
    if !stdin().is_terminal() {
        let message = format!("{what}: nobody is there to be asked; --yes says that it is meant");
        return Err(Failure::failed(message).with_code(2));
    }
    let mut answer = String::new();
    let asked = write!(stderr(), "{what}? [y/N] ").and_then(|()| stderr().flush());
    let asked = asked.and_then(|()| stdin().lock().read_line(&mut answer));
    asked.map_err(|error| Failure::caused("cannot ask", &error))?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::failed("nothing was changed"))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES "));
        for no in ["", "\n", "n", "yep", "ja"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
