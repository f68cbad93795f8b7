//! The one place that writes to standard output.
use std::{
    error::Error,
    io::{self, ErrorKind, IsTerminal, Write, stdout},
};

use clap::{Arg, ArgMatches};
use serde::Serialize;

use super::{
    escape,
    failure::Failure,
    screen::{Screen, width_of},
    table::{Overflow, table, wrapped},
};
use crate::config::EnvVars;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Aligned columns with a heading.
    Table,
    /// Tab-separated lines without a heading.
    Plain,
    /// JSON, for programs.
    Json,
    /// YAML, for programs.
    Yaml,
}

/// The colours that mean something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Color {
    /// As it should be.
    Green,
    /// Worth a look.
    Yellow,
    /// Wrong.
    Red,
}

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    shape: Shape,
    screen: Screen,
    has_color: bool,
    /// How many columns there are, where people look at a terminal.
    width: Option<usize>,
}

/// `--output`, for every command that prints something.
pub(super) fn arg() -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .value_parser(["table", "json", "yaml"])
        .help("Prints a table, or JSON or YAML for scripts; default: a table on a terminal, tab-separated lines in a pipe")
}

impl Output {
    /// What `--output` asks for, or what suits standard output.
    pub(super) fn new(matches: &ArgMatches, environment: &EnvVars) -> Self {
        let is_terminal = stdout().is_terminal();
        let shape = match matches.get_one::<String>("output").map(String::as_str) {
            Some("json") => Shape::Json,
            Some("yaml") => Shape::Yaml,
            Some(_) => Shape::Table,
            None if is_terminal => Shape::Table,
            None => Shape::Plain,
        };
        let has_width = is_terminal && shape == Shape::Table;
        let screen = Screen::of(&stdout(), environment);
        Self {
            shape,
            screen,
            has_color: screen.has_color(environment),
            width: has_width.then(|| width_of(stdout(), environment)),
        }
    }

    /// True when programs read, who want every field and nothing else.
    pub(super) fn is_data(self) -> bool {
        matches!(self.shape, Shape::Json | Shape::Yaml)
    }

    /// True when people read along, who like a heading and a summary.
    pub(super) fn is_table(self) -> bool {
        self.shape == Shape::Table
    }

    /// True when what was written can be written over.
    pub(super) fn is_screen(self) -> bool {
        self.is_table() && self.screen == Screen::Full
    }

    /// How many columns the terminal has, where people look at one.
    pub(super) fn width(self) -> Option<usize> {
        self.width
    }

    /// Rows aligned under `headings`, those of a list that is read at a glance.
    pub(super) fn table<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        self.laid_out(headings, rows, Overflow::Cut)
    }

    /// Writes rows: aligned under `headings` and no wider than the terminal, or tab-separated without
    /// them and whole.
    pub(super) fn rows<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Failure> {
        lines(&self.laid_out(headings, rows, Overflow::Cut))
    }

    /// As [`Self::rows`], for texts that must be read to their end.
    pub(super) fn whole_rows<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Failure> {
        lines(&self.laid_out(headings, rows, Overflow::Wrap))
    }

    /// As [`Self::whole_rows`], for names with their values.
    pub(super) fn pairs(
        self,
        headings: [&str; 2],
        pairs: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<(), Failure> {
        let rows = pairs.into_iter();
        self.whole_rows(headings, rows.map(|(name, value)| [name.to_owned(), value]))
    }

    fn laid_out<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
        overflow: Overflow,
    ) -> String {
        if self.shape == Shape::Table {
            return table(headings, rows, self.width, overflow);
        }
        let lines: Vec<_> = rows.into_iter().map(|row| row.join("\t")).collect();
        lines.join("\n")
    }

    /// Writes sentences for people, in lines that the terminal has room for.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        match self.width {
            Some(width) => line(&wrapped(text, width)),
            None => line(text),
        }
    }

    /// Writes the one answer for a program: JSON is indented, so that people can read it too.
    pub(super) fn data(self, value: &impl Serialize) -> Result<(), Failure> {
        if self.shape == Shape::Yaml {
            return line(yaml(value)?.trim_end());
        }
        line(&escape::json(&written(serde_json::to_string_pretty(
            value,
        ))?))
    }

    /// Writes one of many answers for a program: JSON on a line of its own, or a document of a
    /// stream of YAML.
    pub(super) fn data_item(self, value: &impl Serialize) -> Result<(), Failure> {
        if self.shape == Shape::Yaml {
            return line(&format!("---\n{}", yaml(value)?.trim_end()));
        }
        line(&escape::json(&written(serde_json::to_string(value))?))
    }

    /// The text in colour, where colours are shown.
    pub(super) fn paint(self, color: Color, text: &str) -> String {
        let code = match color {
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Red => 31,
        };
        if self.has_color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Writes one line.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    writeln!(stdout().lock(), "{text}").map_err(|error| closed(&error))
}

/// Writes a piece of a line, so that it is seen at once.
pub(super) fn piece(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| closed(&error))
}

/// Writes what has lines, if it has any.
fn lines(text: &str) -> Result<(), Failure> {
    if text.is_empty() { Ok(()) } else { line(text) }
}

/// A reader that went away, such as `head`, has what it wanted: that is no failure.
fn closed(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::quiet(0);
    }
    Failure::caused("cannot write to standard output", error)
}

/// JSON is YAML too, and has escapes where the plainer form of a text has none.
fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let yaml = written(serde_saphyr::to_string(value))?;
    if escape::is_clean(&yaml) {
        return Ok(yaml);
    }
    Ok(escape::json(&written(serde_json::to_string_pretty(value))?))
}

fn written<E: Error + 'static>(text: Result<String, E>) -> Result<String, Failure> {
    text.map_err(|error| Failure::caused("cannot write the answer in this format", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = closed(&ErrorKind::BrokenPipe.into());
        assert_eq!(failure.message, "");
        assert!(!closed(&ErrorKind::StorageFull.into()).message.is_empty());
    }
}
