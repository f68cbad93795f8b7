//! Rows under headings, in as many columns as a terminal has. Nothing that people copy is cut: ids
//! get shorter as long as they differ, and a word that is too long stays whole.
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

/// The rows as lines of at most `width` columns, if there is a limit.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
    overflow: Overflow,
) -> String {
    let mut columns: Vec<_> = headings.into_iter().map(Column::new).collect();
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.cells.push(Cell::of(&cell));
        }
    }
    if let Some(width) = width
        && total(&columns) > width
    {
        columns.iter_mut().for_each(Column::shorten_ids);
        if !fit(&mut columns, width, overflow) {
            return blocks(&columns, width);
        }
    }
    lines(&columns)
}

/// The text in lines of at most `width` columns; words stay whole, and further lines are indented as
/// the first one is.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let wrap = |line: &str| {
        let words = line.trim_start_matches(' ');
        let indent = line.get(..line.len() - words.len()).unwrap_or_default();
        let room = width.saturating_sub(indent.len());
        let lines = words_in_lines(words, room).into_iter();
        let lines: Vec<_> = lines.map(|words| format!("{indent}{words}")).collect();
        lines.join("\n")
    };
    text.split('\n').map(wrap).collect::<Vec<_>>().join("\n")
}

/// A cell's text, and the colour around it.
#[derive(Clone, Debug, Default)]
struct Cell {
    paint: String,
    lines: Vec<String>,
}

const RESET: &str = "\u{1b}[0m";

impl Cell {
    /// Text of others has no escape character, so one is that of a colour.
    fn of(text: &str) -> Self {
        let painted = text.strip_prefix('\u{1b}');
        let painted = painted.and_then(|rest| rest.strip_suffix(RESET)?.split_once('m'));
        match painted {
            Some((code, text)) => Self {
                paint: format!("\u{1b}{code}m"),
                lines: vec![text.to_owned()],
            },
            None => Self {
                paint: String::new(),
                lines: vec![text.to_owned()],
            },
        }
    }

    fn text(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    fn width(&self) -> usize {
        self.text().width()
    }

    fn painted(&self, text: &str) -> String {
        if self.paint.is_empty() || text.is_empty() {
            text.to_owned()
        } else {
            format!("{}{text}{RESET}", self.paint)
        }
    }
}

#[derive(Debug)]
struct Column {
    heading: Cell,
    cells: Vec<Cell>,
}

impl Column {
    fn new(heading: &str) -> Self {
        Self {
            heading: Cell::of(heading),
            cells: Vec::new(),
        }
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(Cell::width).max();
        cells.unwrap_or(0).max(self.heading.width())
    }

    /// Shortens a column of ids, as far as none is taken for another.
    fn shorten_ids(&mut self) {
        let mut ids: Vec<_> = self
            .cells
            .iter()
            .map(|cell| cell.text().to_owned())
            .collect();
        if !ids.iter().all(|id| uuid::Uuid::try_parse(id).is_ok()) {
            return;
        }
        ids.sort_unstable();
        ids.dedup();
        let is_plain = |length: usize| {
            let mut short = ids.iter().map(|id| id.get(..length));
            let mut before = None;
            short.all(|id| std::mem::replace(&mut before, id) != id)
        };
        let Some(length) = (SHORT_ID..36).find(|length| is_plain(*length)) else {
            return;
        };
        for line in self.cells.iter_mut().flat_map(|cell| &mut cell.lines) {
            line.truncate(length);
        }
    }
}

fn total(columns: &[Column]) -> usize {
    let widths: usize = columns.iter().map(Column::width).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

/// Makes the last column narrow enough; false when too little is left for it.
fn fit(columns: &mut [Column], width: usize, overflow: Overflow) -> bool {
    let Some((last, others)) = columns.split_last_mut() else {
        return true;
    };
    let room = width.saturating_sub(total(others) + GAP);
    if room < last.width().min(LEAST) {
        return false;
    }
    for cell in &mut last.cells {
        cell.lines = match overflow {
            Overflow::Cut => vec![cut(cell.text(), room)],
            Overflow::Wrap => words_in_lines(cell.text(), room),
        };
    }
    true
}

fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let (mut short, mut left) = (String::new(), room.saturating_sub(1));
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        short.push(c);
    }
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
    let Some((last, others)) = columns.split_last() else {
        return String::new();
    };
    let line_of = |cell: fn(&Column, usize) -> Option<&Cell>, at: usize| {
        let mut line = String::new();
        for column in others {
            let width = column.width() + GAP;
            let (text, painted) = cell(column, at).map_or_else(Default::default, |cell| {
                (cell.width(), cell.painted(cell.text()))
            });
            line.push_str(&painted);
            line.push_str(&" ".repeat(width - text));
        }
        let indent = " ".repeat(others.iter().map(|column| column.width() + GAP).sum());
        let last = cell(last, at).cloned().unwrap_or_default();
        let texts = last.lines.iter().enumerate();
        let texts = texts.map(|(at, text)| {
            let before = if at == 0 { &line } else { &indent };
            let painted = last.painted(text);
            format!("{before}{painted}").trim_end().to_owned()
        });
        texts.collect::<Vec<_>>().join("\n")
    };
    let heading = line_of(|column, _| Some(&column.heading), 0);
    let rows = (0..last.cells.len()).map(|at| line_of(|column, at| column.cells.get(at), at));
    std::iter::once(heading)
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Each row as a block: a line for each heading, with a gap before the next one.
fn blocks(columns: &[Column], width: usize) -> String {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let names = columns.iter().map(|column| column.heading.width()).max();
    let names = names.unwrap_or(0);
    let room = width.saturating_sub(names + GAP);
    let block = |at: usize| {
        let cells = columns.iter().filter_map(|column| {
            let cell = column.cells.get(at)?;
            let name = column.heading.text();
            let gap = " ".repeat(names + GAP - name.width());
            let wrapped = words_in_lines(cell.text(), room).into_iter();
            let wrapped: Vec<_> = wrapped.map(|text| cell.painted(&text)).collect();
            let text = wrapped.join(&format!("\n{}", " ".repeat(names + GAP)));
            Some(format!("{name}{gap}{text}").trim_end().to_owned())
        });
        cells.collect::<Vec<_>>().join("\n")
    };
    (0..rows).map(block).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
