//! Rows under headings, in as many columns as a terminal has. Nothing that people copy is cut: ids
//! get shorter as long as they differ, and a word that is too long stays whole.
use std::collections::BTreeSet;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What becomes of a last column that is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// It ends in `…`: for lists, whose rows are read at a glance.
    Cut,
    /// It goes on below.
    Wrap,
}

const GAP: usize = 2;
/// Where less would be left for the last column, each row becomes a block of lines.
const LEAST: usize = 14;
const SHORT_ID: usize = 8;
const RESET: &str = "\u{1b}[0m";

/// The rows as lines of at most `width` columns, if there is a limit.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
    overflow: Overflow,
) -> String {
    let mut columns = headings.map(|heading| vec![TableCell::of(heading)]);
    for row in rows {
        for (column, text) in columns.iter_mut().zip(row) {
            column.push(TableCell::of(&text));
        }
    }
    if let Some(width) = width
        && row_width(&columns) > width
    {
        for column in &mut columns {
            shorten_ids(column);
        }
        let Some((last, others)) = columns.split_last_mut() else {
            return String::new();
        };
        let room = width.saturating_sub(row_width(others) + GAP);
        if room < column_width(last).min(LEAST) {
            return blocks(&columns, width);
        }
        for cell in last.iter_mut().skip(1) {
            cell.lines = match overflow {
                Overflow::Cut => vec![cut(&cell.text(), room)],
                Overflow::Wrap => words_in_lines(&cell.text(), room),
            };
        }
    }
    lines(&columns)
}

/// The text in lines of at most `width` columns; words stay whole, and further lines are indented as
/// the first one is.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let wrap = |line: &str| {
        let words = line.trim_start_matches(' ');
        let indent = " ".repeat(line.len() - words.len());
        let lines = words_in_lines(words, width.saturating_sub(indent.len()));
        format!("{indent}{}", lines.join(&format!("\n{indent}")))
    };
    text.split('\n').map(wrap).collect::<Vec<_>>().join("\n")
}

/// A cell's text, in lines once it is wrapped, and the colour around it.
struct TableCell {
    paint: String,
    lines: Vec<String>,
}

impl TableCell {
    /// Text of others has no escape character, so one is that of a colour.
    fn of(text: &str) -> Self {
        let painted = text
            .strip_suffix(RESET)
            .and_then(|text| text.split_once('m'));
        let painted = painted.filter(|(paint, _)| paint.starts_with('\u{1b}'));
        let (paint, text) = painted.map_or((String::new(), text), |(paint, text)| {
            (format!("{paint}m"), text)
        });
        Self {
            paint,
            lines: vec![text.to_owned()],
        }
    }

    fn text(&self) -> String {
        self.lines.concat()
    }

    /// Its lines with their colour; those behind the first begin at `indent`.
    fn painted(&self, lines: &[String], indent: usize) -> String {
        let paint = |text: &String| match self.paint.as_str() {
            "" => text.clone(),
            _ if text.is_empty() => String::new(),
            paint => format!("{paint}{text}{RESET}"),
        };
        let lines: Vec<_> = lines.iter().map(paint).collect();
        lines.join(&format!("\n{}", " ".repeat(indent)))
    }
}

/// A heading, and the cells below it.
type Column = Vec<TableCell>;

fn column_width(column: &Column) -> usize {
    let lines = column.iter().flat_map(|cell| &cell.lines);
    lines.map(|line| line.width()).max().unwrap_or(0)
}

fn row_width(columns: &[Column]) -> usize {
    let widths: usize = columns.iter().map(column_width).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

/// Shortens a column of ids, as far as none is taken for another.
fn shorten_ids(column: &mut Column) {
    let ids: BTreeSet<_> = column.iter().skip(1).map(TableCell::text).collect();
    if !ids.iter().all(|id| uuid::Uuid::try_parse(id).is_ok()) {
        return;
    }
    let differ = |length: &usize| {
        let short: BTreeSet<_> = ids.iter().map(|id| id.get(..*length)).collect();
        short.len() == ids.len()
    };
    if let Some(length) = (SHORT_ID..36).find(differ) {
        let lines = column.iter_mut().skip(1).flat_map(|cell| &mut cell.lines);
        lines.for_each(|line| line.truncate(length));
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = |c: &char| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let short: String = text.chars().take_while(fits).collect();
    format!("{}…", short.trim_end())
}

/// The words in lines of at most `room` columns, or of one word.
fn words_in_lines(text: &str, room: usize) -> Vec<String> {
    if text.width() <= room {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn lines(columns: &[Column]) -> String {
    let rows = columns.first().map_or(0, Vec::len);
    let widths: Vec<_> = columns
        .iter()
        .map(|column| column_width(column) + GAP)
        .collect();
    let row = |at: usize| {
        let (mut line, mut indent) = (String::new(), 0);
        let cells = columns.iter().filter_map(|column| column.get(at));
        for (cell, width) in cells.zip(&widths) {
            line.push_str(&cell.painted(&cell.lines, indent));
            let last = cell.lines.last().map_or(0, |line| line.width());
            line.push_str(&" ".repeat(width - last));
            indent += width;
        }
        line.trim_end().to_owned()
    };
    (0..rows).map(row).collect::<Vec<_>>().join("\n")
}

/// Each row as a block: a line for each heading, with a gap before the next one.
fn blocks(columns: &[Column], width: usize) -> String {
    let headings = columns.iter().filter_map(|column| column.first());
    let indent = headings
        .map(|heading| heading.text().width())
        .max()
        .unwrap_or(0)
        + GAP;
    let block = |at: usize| {
        let cells = columns.iter().filter_map(|column| {
            let (name, cell) = (column.first()?.text(), column.get(at)?);
            let lines = words_in_lines(&cell.text(), width.saturating_sub(indent));
            let gap = " ".repeat(indent - name.width());
            let text = cell.painted(&lines, indent);
            Some(format!("{name}{gap}{text}").trim_end().to_owned())
        });
        cells.collect::<Vec<_>>().join("\n")
    };
    let rows = columns.first().map_or(0, Vec::len);
    (1..rows).map(block).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
