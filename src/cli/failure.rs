//! How a command fails: the message for people, and the exit code for scripts.
use std::{error::Error, fmt::Display, io::stderr, process::ExitCode};

use super::{
    escape::clean_lines,
    screen::{Screen, remark},
};
use crate::config::{EnvVars, Problems};

/// How a command ends that did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    /// Empty when everything was said already.
    pub(super) message: String,
}

/// Where the settings of the server are told, which its database commands share.
pub(super) const SERVE_HELP: &str = "`challenges-catalog serve --help`";

impl Failure {
    /// Exit code 1: it was asked for rightly and did not work.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }

    /// Exit code 1, with the whole chain of causes.
    pub(super) fn caused(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self::failed(format!("{what}: {}", chain(error)))
    }

    /// Exit code 2: the settings cannot be used; `help` is what tells more about them.
    pub(super) fn settings(problems: &Problems, help: &str) -> Self {
        Self {
            code: 2,
            message: format!("{problems}\n{help} tells what each setting accepts"),
        }
    }

    /// Ends with `code` and says nothing more.
    pub(super) fn quiet(code: u8) -> Self {
        Self {
            code,
            message: String::new(),
        }
    }

    /// The same, with another exit code.
    pub(super) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The same, with another line.
    pub(super) fn with_line(self, line: impl Display) -> Self {
        Self {
            message: format!("{}\n  {line}", self.message),
            ..self
        }
    }

    /// The same, in other words.
    pub(super) fn reworded(self, reword: impl FnOnce(String) -> String) -> Self {
        Self {
            message: reword(self.message),
            ..self
        }
    }

    /// As people see it on standard error.
    pub(super) fn text(&self, environment: &EnvVars) -> String {
        let error = if Screen::of(&stderr(), environment).has_color(environment) {
            "\u{1b}[1;31merror:\u{1b}[0m"
        } else {
            "error:"
        };
        format!("{error} {}", clean_lines(&self.message))
    }

    /// Says it, and gives the exit code.
    pub(super) fn report(&self, environment: &EnvVars) -> ExitCode {
        if !self.message.is_empty() {
            remark(&self.text(environment), environment);
        }
        ExitCode::from(self.code)
    }
}

/// The error and its causes, parted by colons; a cause that its error repeats is left out.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
