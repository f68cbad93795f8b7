//! The one place that writes to standard output.
use std::{
    error::Error,
    io::{self, ErrorKind, IsTerminal, Write, stdout},
};

use clap::{Arg, ArgMatches};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::failure::Failure;
use crate::config::Environment;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Aligned columns with a heading.
    Table,
    /// Tab-separated lines without a heading.
    Plain,
    /// For programs.
    Data(Format),
}

/// How programs are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
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
    color: bool,
}

/// `--output`, for every command that prints something.
pub(super) fn arg() -> Arg {
    Arg::new("output")
        .long("output")
        .value_name("FORMAT")
        .value_parser(["table", "json", "yaml"])
        .help("Prints a table, or JSON or YAML for scripts; default: a table on a terminal, tab-separated lines in a pipe")
}

impl Output {
    /// What `--output` asks for, or what suits standard output.
    pub(super) fn new(matches: &ArgMatches, environment: &Environment) -> Self {
        let terminal = stdout().is_terminal();
        let shape = match matches.get_one::<String>("output").map(String::as_str) {
            Some("json") => Shape::Data(Format::Json),
            Some("yaml") => Shape::Data(Format::Yaml),
            Some(_) => Shape::Table,
            None if terminal => Shape::Table,
            None => Shape::Plain,
        };
        Self {
            shape,
            color: terminal && environment.get("NO_COLOR").is_none(),
        }
    }

    /// True when programs read, who want every field and nothing else.
    pub(super) fn is_data(self) -> bool {
        matches!(self.shape, Shape::Data(_))
    }

    /// True when people read along, who like a heading and a summary.
    pub(super) fn is_table(self) -> bool {
        self.shape == Shape::Table
    }

    /// True when what was written can be written over.
    pub(super) fn is_screen(self) -> bool {
        self.is_table() && stdout().is_terminal()
    }

    /// Rows aligned under `headings`.
    pub(super) fn table<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        rows_text(self.shape, headings, rows)
    }

    /// Writes rows: aligned under `headings`, or tab-separated without them.
    /// Colour would disturb every column but the last.
    pub(super) fn rows<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Failure> {
        let text = rows_text(self.shape, headings, rows);
        if text.is_empty() { Ok(()) } else { line(&text) }
    }

    /// Writes the one answer for a program: JSON is indented, so that people can read it too.
    pub(super) fn data(self, value: &impl Serialize) -> Result<(), Failure> {
        match self.shape {
            Shape::Data(Format::Yaml) => line(yaml(value)?.trim_end()),
            Shape::Data(Format::Json) | Shape::Table | Shape::Plain => {
                let json = serde_json::to_string_pretty(value);
                line(&json.map_err(|error| unwritable(&error))?)
            }
        }
    }

    /// Writes one of many answers for a program: JSON on a line of its own, or a document of a
    /// stream of YAML.
    pub(super) fn data_item(self, value: &impl Serialize) -> Result<(), Failure> {
        match self.shape {
            Shape::Data(Format::Yaml) => line(&format!("---\n{}", yaml(value)?.trim_end())),
            Shape::Data(Format::Json) | Shape::Table | Shape::Plain => {
                let json = serde_json::to_string(value);
                line(&json.map_err(|error| unwritable(&error))?)
            }
        }
    }

    /// The text in colour, where colours are shown.
    pub(super) fn paint(self, color: Color, text: &str) -> String {
        let code = match color {
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Red => 31,
        };
        if self.color {
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

/// The text without control characters: what others wrote into the catalog
/// must neither break a line nor steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// As [`clean`], for text that may have several lines.
pub(super) fn clean_lines(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

fn rows_text<const N: usize>(
    shape: Shape,
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    if shape != Shape::Table {
        let lines: Vec<_> = rows.into_iter().map(|row| row.join("\t")).collect();
        return lines.join("\n");
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(headings)
        .add_rows(rows);
    table
        .column_iter_mut()
        .for_each(|column| _ = column.set_padding((0, 2)));
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// A reader that went away, such as `head`, has what it wanted: that is no failure.
fn closed(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::quiet(0);
    }
    Failure::caused("cannot write to standard output", error)
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| unwritable(&error))
}

fn unwritable(error: &(dyn Error + 'static)) -> Failure {
    Failure::caused("cannot write the answer in this format", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_for_people_and_tab_separated_for_programs() {
        let rows = || [["1", "one"], ["22", "two"]].map(|row| row.map(str::to_owned));
        let table = rows_text(Shape::Table, ["N", "WORD"], rows());
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            ["N   WORD", "1   one", "22  two"]
        );
        assert_eq!(
            rows_text(Shape::Plain, ["N", "WORD"], rows()),
            "1\tone\n22\ttwo"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(clean("a\tb\n\u{1b}[31mc"), "a b  [31mc");
        assert_eq!(clean_lines("a\tb\n\u{1b}[31mc"), "a b\n [31mc");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = closed(&ErrorKind::BrokenPipe.into());
        assert_eq!(failure.message, "");
        assert!(!closed(&ErrorKind::StorageFull.into()).message.is_empty());
    }
}
