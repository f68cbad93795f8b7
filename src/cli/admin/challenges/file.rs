//! Reads challenges one by one from a file of any length: a JSON list of them, or one after another.
use std::{fmt, io::BufRead};

use crate::domain::{FieldViolation, JsonFields, NewChallenge};

/// The longest challenge, in bytes of the file.
const OBJECT_MAX: usize = 1 << 20;

/// What is wrong with a line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineProblem {
    line: u64,
    /// Empty when it is the challenge as a whole.
    field: String,
    problem: String,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// A challenge of the file, and the line that it begins on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileRow {
    pub(super) line: u64,
    pub(super) challenge: NewChallenge,
}

/// An object as it stands in the file.
struct JsonObject {
    /// Where it begins; both count from 1, and columns are bytes.
    line: u64,
    column: u64,
    bytes: Vec<u8>,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParsePosition {
    Start,
    /// One after another.
    Among,
    /// In a list, where a challenge may stand.
    InList {
        is_first: bool,
    },
    /// In a list, behind a challenge.
    Behind,
    /// Behind the list.
    End,
}

/// Reads challenges; holds one of them at a time.
pub(super) struct ChallengeFile<R> {
    input: R,
    line: u64,
    /// How many bytes of the line were read.
    column: u64,
    place: ParsePosition,
    /// How many bytes were read.
    pub(super) bytes: u64,
}

impl<R: BufRead> ChallengeFile<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: 1,
            column: 0,
            place: ParsePosition::Start,
            bytes: 0,
        }
    }

    /// The next challenge, every field of which was checked; `None` at the end. After a problem of
    /// one challenge the next may be read.
    ///
    /// # Errors
    ///
    /// Every problem of the challenge; a broken file has no next.
    pub(super) fn next(&mut self) -> Result<Option<FileRow>, Vec<LineProblem>> {
        let Some(JsonObject {
            line,
            column,
            bytes,
        }) = self.next_object().map_err(|problem| vec![problem])?
        else {
            return Ok(None);
        };
        let fields = fields(line, column, &bytes).map_err(|problem| vec![problem])?;
        let challenge = fields.check().map_err(|wrong| {
            let told = |FieldViolation { field, problem }| LineProblem {
                line,
                field,
                problem,
            };
            wrong.into_iter().map(told).collect::<Vec<_>>()
        })?;
        Ok(Some(FileRow { line, challenge }))
    }

    /// Whether nothing more can be read.
    pub(super) fn is_over(&self) -> bool {
        self.place == ParsePosition::End
    }

    /// The next object.
    fn next_object(&mut self) -> Result<Option<JsonObject>, LineProblem> {
        loop {
            let Some(byte) = self.next_byte()? else {
                return self.end();
            };
            self.place = match (self.place, byte) {
                (place, b' ' | b'\t' | b'\r' | b'\n') => place,
                // A byte order mark.
                (ParsePosition::Start, 0xef | 0xbb | 0xbf) => ParsePosition::Start,
                (ParsePosition::Start, b'[') => ParsePosition::InList { is_first: true },
                (ParsePosition::InList { is_first: true } | ParsePosition::Behind, b']') => {
                    ParsePosition::End
                }
                (ParsePosition::Behind, b',') => ParsePosition::InList { is_first: false },
                (ParsePosition::Start | ParsePosition::Among, b'{') => {
                    self.place = ParsePosition::Among;
                    return self.object().map(Some);
                }
                (ParsePosition::InList { .. }, b'{') => {
                    self.place = ParsePosition::Behind;
                    return self.object().map(Some);
                }
                (place, byte) => return Err(self.unexpected(place, byte)),
            };
        }
    }

    fn end(&mut self) -> Result<Option<JsonObject>, LineProblem> {
        let place = std::mem::replace(&mut self.place, ParsePosition::End);
        match place {
            ParsePosition::Start | ParsePosition::Among | ParsePosition::End => Ok(None),
            ParsePosition::InList { .. } | ParsePosition::Behind => {
                Err(at(self.line, "the list does not end: is the file whole?"))
            }
        }
    }

    fn unexpected(&mut self, place: ParsePosition, byte: u8) -> LineProblem {
        self.place = ParsePosition::End;
        let expected = match place {
            ParsePosition::Start => "a list of challenges, or a challenge in { }",
            ParsePosition::Among | ParsePosition::InList { .. } => "a challenge in { }",
            ParsePosition::Behind => "a comma or the end of the list",
            ParsePosition::End => "nothing more",
        };
        let found = char::from(byte);
        at(self.line, &format!("expected {expected}, not {found:?}"))
    }

    /// The rest of an object, whose brace was read.
    fn object(&mut self) -> Result<JsonObject, LineProblem> {
        let (begins, column) = (self.line, self.column);
        let (mut object, mut depth) = (vec![b'{'], 1_u32);
        let (mut is_text, mut is_escaped) = (false, false);
        while depth > 0 {
            let Some(byte) = self.next_byte()? else {
                self.place = ParsePosition::End;
                let problem = "the challenge that begins here does not end: is the file whole?";
                return Err(at(begins, problem));
            };
            object.push(byte);
            if object.len() > OBJECT_MAX {
                self.place = ParsePosition::End;
                let problem = format!("the challenge that begins here has over {OBJECT_MAX} bytes");
                return Err(at(begins, &problem));
            }
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                b'{' if !is_text => depth += 1,
                b'}' if !is_text => depth -= 1,
                _ => {}
            }
        }
        Ok(JsonObject {
            line: begins,
            column,
            bytes: object,
        })
    }

    fn next_byte(&mut self) -> Result<Option<u8>, LineProblem> {
        let read = self.input.fill_buf().map(|bytes| bytes.first().copied());
        let byte = read.map_err(|error| {
            self.place = ParsePosition::End;
            at(self.line, &format!("cannot be read: {error}"))
        })?;
        if let Some(byte) = byte {
            self.input.consume(1);
            self.bytes += 1;
            self.column += 1;
            if byte == b'\n' {
                (self.line, self.column) = (self.line + 1, 0);
            }
        }
        Ok(byte)
    }
}

/// The fields of an object that begins at `line` and `column`.
fn fields(line: u64, column: u64, object: &[u8]) -> Result<JsonFields, LineProblem> {
    let text = std::str::from_utf8(object).map_err(|error| {
        let before = object.iter().take(error.valid_up_to());
        let breaks = before.filter(|byte| **byte == b'\n').count();
        at(line + breaks as u64, "is not UTF-8")
    })?;
    serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default();
        let behind = (error.line() as u64).saturating_sub(1);
        let before = if behind == 0 { column - 1 } else { 0 };
        let column = before + error.column() as u64;
        let problem = format!("is not JSON: {problem}, in column {column}");
        at(line + behind, &problem)
    })
}

fn at(line: u64, problem: &str) -> LineProblem {
    LineProblem {
        line,
        field: String::new(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":"a \"}\" b","points":10}"#;

    /// The lines that challenges begin on, and every problem.
    fn read(text: &str) -> (Vec<u64>, Vec<String>) {
        let mut file = ChallengeFile::new(text.as_bytes());
        let (mut lines, mut problems) = (Vec::new(), Vec::new());
        loop {
            match file.next() {
                Ok(Some(row)) => lines.push(row.line),
                Ok(None) => return (lines, problems),
                Err(wrong) => {
                    problems.extend(wrong.iter().map(ToString::to_string));
                    if file.is_over() {
                        return (lines, problems);
                    }
                }
            }
        }
    }

    #[test]
    fn lists_and_objects_one_after_another_are_read_with_their_lines() {
        let spread = GOOD.replace(',', ",\n");
        for (text, lines) in [
            (format!("[{GOOD}]"), &[1][..]),
            (format!("\u{feff}[\n{GOOD},\n{GOOD}\n]\n"), &[2, 3]),
            (format!("{GOOD}\n\n{GOOD}"), &[1, 3]),
            (format!("[\n{spread}, {GOOD}]"), &[2, 5]),
            ("[]".to_owned(), &[]),
            (String::new(), &[]),
        ] {
            assert_eq!(read(&text), (lines.to_vec(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn each_problem_is_named_with_line_and_field_and_the_next_challenge_is_read() {
        let hard = GOOD.replace("beginner", "hard").replace(":10", ":-1");
        let odd = GOOD.replace("\"title\"", "\n\"name\"");
        let (lines, problems) = read(&format!("[\n{hard},\n{odd},\n{GOOD}]"));
        assert_eq!(lines, [5]);
        assert!(problems[0].starts_with("line 2, difficulty: must be beginner"));
        assert_eq!(problems[1], "line 2, points: must be 0 to 1000, not -1");
        assert_eq!(problems[2], "line 3, title: is missing");
        assert!(problems[3].starts_with("line 3, name: is no field of a challenge"));
        let ten = GOOD.replace(":10", ":\"ten\"");
        let problem = "line 1, points: must be a whole number, not \"ten\"";
        assert_eq!(read(&ten).1, [problem]);
    }

    #[test]
    fn what_is_no_json_is_told_with_line_and_column() {
        let spread = GOOD.replace(",\"points\":10", ",\n  \"points\":ten");
        for (text, problem) in [
            (
                "[\n {\"id\" 7}]".to_owned(),
                "line 2: is not JSON: expected `:`, in column 8",
            ),
            (spread, "line 2: is not JSON: expected ident, in column 13"),
        ] {
            assert_eq!(read(&text).1, [problem]);
        }
        let mut broken = format!("[{GOOD},\n{{\n\"title\":\"x\"}}]").into_bytes();
        let x = broken.iter().rposition(|byte| *byte == b'x').unwrap();
        broken[x] = 0xff;
        let mut file = ChallengeFile::new(&broken[..]);
        assert!(file.next().is_ok());
        assert_eq!(
            file.next().unwrap_err()[0].to_string(),
            "line 3: is not UTF-8"
        );
    }

    #[test]
    fn a_file_that_is_broken_or_cut_off_is_none() {
        for (text, problem) in [
            (format!("[{GOOD}"), "line 1: the list does not end"),
            (format!("[{GOOD},"), "line 1: the list does not end"),
            (
                "\n{\"id\":\"x\"".to_owned(),
                "line 2: the challenge that begins here does not end",
            ),
            (format!("[{GOOD} {GOOD}]"), "line 1: expected a comma"),
            (format!("[{GOOD},]"), "line 1: expected a challenge"),
            (format!("[{GOOD}]\n1"), "line 2: expected nothing more"),
            ("7".to_owned(), "line 1: expected a list of challenges"),
            (
                "id,title\n".to_owned(),
                "line 1: expected a list of challenges",
            ),
        ] {
            let (_, problems) = read(&text);
            assert!(problems[0].starts_with(problem), "{text}: {problems:?}");
        }
        let long = format!("{{\"title\":\"{}\"}}", "x".repeat(OBJECT_MAX));
        assert!(
            read(&long).1[0].contains("has over"),
            "a challenge of a megabyte"
        );
    }
}
