//! Whether an output stream is a terminal, how wide it is, and messages that only a terminal gets.
use std::{
    io::{IsTerminal, Write, stderr},
    os::fd::AsFd,
};

use rustix::termios::tcgetwinsize;

use super::table::wrapped;
use crate::config::EnvVars;

/// What a stream is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// A terminal that takes colours, and lets what was written be written over.
    Full,
    /// A terminal that asks for neither: `TERM=dumb`, or none named.
    Dumb,
    /// A file or a pipe.
    None,
}

impl Screen {
    /// What `stream` is.
    pub(super) fn of(stream: &impl IsTerminal, environment: &EnvVars) -> Self {
        match environment.get("TERM") {
            _ if !stream.is_terminal() => Self::None,
            None | Some("dumb") => Self::Dumb,
            Some(_) => Self::Full,
        }
    }

    /// Whether colours are shown there.
    pub(super) fn has_color(self, environment: &EnvVars) -> bool {
        self == Self::Full && environment.get("NO_COLOR").is_none()
    }
}

/// Tells people what programs that read standard output must not meet there.
pub(super) fn remark(text: &str, environment: &EnvVars) {
    let text = match Screen::of(&stderr(), environment) {
        Screen::Full | Screen::Dumb => wrapped(text, width_of(stderr(), environment)),
        Screen::None => text.to_owned(),
    };
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(stderr(), "{text}");
}

/// How many columns a terminal has, as it says itself or the environment does, and else 80.
pub(super) fn width_of(terminal: impl AsFd, environment: &EnvVars) -> usize {
    let told = tcgetwinsize(terminal)
        .ok()
        .map(|size| usize::from(size.ws_col));
    let named = || environment.get("COLUMNS")?.parse().ok();
    let told = told.filter(|width| *width > 0).or_else(named);
    told.filter(|width| *width > 0).unwrap_or(80)
}
