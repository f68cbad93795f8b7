//! What a page shows of a terminal, and whether the same is seen again.
use std::{collections::BTreeMap, fmt::Write, iter::zip};

use serde_json::Value;

/// A command, and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub output: String,
}

/// The lines of a page: those of one section's `console` blocks, and all others.
enum Line<'a> {
    Command(&'a str),
    Output(&'a str),
    Other(&'a str),
}

fn lines<'a>(page: &'a str, heading: &str) -> Vec<Line<'a>> {
    let (mut in_section, mut in_block) = (false, false);
    let of_line = |line: &'a str| {
        if !in_block && line.starts_with("## ") {
            in_section = line == heading;
        }
        if in_block && line != "```" {
            return match line.strip_prefix("$ ") {
                Some(command) => Line::Command(command),
                None => Line::Output(line),
            };
        }
        in_block = in_section && line == "```console";
        Line::Other(line)
    };
    page.lines().map(of_line).collect()
}

/// What the section of `page` under `heading` shows.
pub fn steps(page: &str, heading: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines(page, heading) {
        match line {
            Line::Command(command) => steps.push(Step {
                command: command.to_owned(),
                output: String::new(),
            }),
            Line::Output(line) => {
                let step = steps.last_mut();
                let step = step.expect("a block begins with a command");
                step.output += line;
                step.output.push('\n');
            }
            Line::Other(_) => {}
        }
    }
    for step in &mut steps {
        step.output.truncate(step.output.trim_end().len());
    }
    steps
}

/// The page with other steps in place of those that it shows.
pub fn with_steps(page: &str, heading: &str, steps: &[Step]) -> String {
    let (mut text, mut steps) = (String::new(), steps.iter().peekable());
    let mut is_first = true;
    for line in lines(page, heading) {
        match line {
            Line::Command(_) => {
                let Step { command, output } = steps.next().expect("a step for each command");
                let gap = if is_first { "" } else { "\n" };
                write!(text, "{gap}$ {command}\n{output}\n").unwrap();
                is_first = false;
            }
            Line::Output(_) => {}
            Line::Other(line) => {
                text += line;
                text.push('\n');
                is_first = true;
            }
        }
    }
    text
}

/// The ids and etags that a page shows, and what they are this time.
#[derive(Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The command with the names of this time.
    pub fn in_command(&self, command: &str) -> String {
        let names = self.0.iter();
        names.fold(command.to_owned(), |command, (shown, now)| {
            command.replace(shown, now)
        })
    }

    /// Learns the names that are new in an output from where each kind stands first, whatever else is
    /// there.
    pub fn learn(&mut self, shown: &str, printed: &str) {
        let is_id = |name: &str| kind(name) == Some("ID");
        for of_ids in [true, false] {
            let names = |text: &str| -> Vec<_> {
                let names = masked(text).into_iter().flat_map(|line| line.names);
                names.filter(|name| is_id(name) == of_ids).collect()
            };
            let (mut shown, mut printed) = (names(shown), names(printed));
            shown.retain(|name| !self.0.contains_key(name));
            printed.retain(|name| !self.0.values().any(|known| known == name));
            for (shown, now) in zip(shown, printed) {
                self.0.entry(shown).or_insert(now);
            }
        }
    }

    /// Learns the names in an output; tells how else it differs from what is shown.
    pub fn differences(&mut self, shown: &str, printed: &str) -> Option<String> {
        let (shown, printed) = (masked(shown), masked(printed));
        let mut is_same = shown.len() == printed.len();
        let mut report = String::new();
        for at in 0..shown.len().max(printed.len()) {
            match (shown.get(at), printed.get(at)) {
                (Some(shown), Some(printed)) if self.are_same(shown, printed) => {
                    writeln!(report, "  {}", shown.text).unwrap();
                }
                (shown, printed) => {
                    is_same = false;
                    for (sign, line) in [("-", shown), ("+", printed)] {
                        let text = line.map(|line| writeln!(report, "{sign} {}", line.text));
                        text.transpose().unwrap();
                    }
                }
            }
        }
        (!is_same).then_some(report)
    }

    fn are_same(&mut self, shown: &Masked, printed: &Masked) -> bool {
        let pairs = zip(&shown.names, &printed.names);
        let known = pairs.map(|(shown, now)| {
            let known = self.0.entry(shown.clone()).or_insert_with(|| now.clone());
            known == now
        });
        known.filter(|is_known| !is_known).count() == 0 && shown.words == printed.words
    }
}

/// A line in which words that differ from run to run are replaced by their kind.
struct Masked {
    text: String,
    words: Vec<String>,
    names: Vec<String>,
}

fn masked(text: &str) -> Vec<Masked> {
    text.lines().map(Masked::of).collect()
}

impl Masked {
    fn of(line: &str) -> Self {
        let (mut words, mut names) = (Vec::new(), Vec::new());
        let mut rest = line.split_whitespace().peekable();
        while let Some(word) = rest.next() {
            // Within JSON.
            let word = &word.replace("\\\"", "");
            let core = core(word);
            if is_number(core) && rest.peek().is_some_and(|next| is_unit(self::core(next))) {
                rest.next();
                words.push("FIGURE".to_owned());
                continue;
            }
            let kind = kind(core);
            if matches!(kind, Some("ID" | "ETAG")) {
                let name = core.strip_prefix("W/").unwrap_or(core);
                names.push(name.trim_matches('"').to_owned());
            }
            words.push(kind.map_or_else(|| word.to_owned(), |kind| word.replace(core, kind)));
        }
        // What a replica counts depends on when it is asked.
        if words.iter().any(|word| word.starts_with("REPLICA")) {
            let counts = words.iter_mut().filter(|word| {
                let core = self::core(word);
                is_number(core) || core == "null" || core == "FIGURE"
            });
            counts.for_each(|word| "COUNT".clone_into(word));
        }
        Self {
            text: line.to_owned(),
            words,
            names,
        }
    }
}

/// A value of JSON with its strings replaced by their kind, and with figures that depend on when they
/// are asked for only as such, where `are_figures`.
pub fn masked_json(value: Value, are_figures: bool) -> Value {
    match value {
        Value::String(text) => kind(&text).map_or(Value::String(text), Value::from),
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| masked_json(item, are_figures)).collect()
        }
        Value::Object(fields) => {
            let masked = |(name, value): (String, Value)| match name.as_str() {
                "next_page_token" => (name, Value::Null),
                _ => (name, masked_json(value, are_figures)),
            };
            fields.into_iter().map(masked).collect()
        }
        Value::Number(_) | Value::Null if are_figures => "FIGURE".into(),
        Value::Number(_) | Value::Null | Value::Bool(_) => value,
    }
}

fn core(word: &str) -> &str {
    word.trim_matches(|c| "(),;:.\"[]".contains(c))
}

fn kind(word: &str) -> Option<&'static str> {
    let parts: Vec<_> = word.split('-').collect();
    let has_hex = |lengths: &[usize]| {
        parts.len() == lengths.len() && zip(&parts, lengths).all(|(part, len)| is_hex(part, *len))
    };
    // Host, process and the first digits of an id.
    let is_replica = matches!(
        parts[..],
        [.., process, id] if process.parse::<u32>().is_ok() && is_hex(id, 8)
    );
    if has_hex(&[32]) {
        Some("REQUEST")
    } else if has_hex(&[8, 4, 4, 4, 12]) {
        Some("ID")
    } else if has_hex(&[16, 24]) {
        Some("VERSION")
    } else if is_replica {
        Some("REPLICA")
    } else if word.starts_with("W/") {
        Some("ETAG")
    } else if has_hex(&[8]) {
        Some("SHORT")
    } else if is_time(word) {
        Some("TIME")
    } else if word == "–" || is_duration(word) {
        Some("FIGURE")
    } else {
        None
    }
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As RFC 3339 has it, in UTC.
fn is_time(word: &str) -> bool {
    word.strip_suffix('Z')
        .and_then(|word| word.split_once('T'))
        .is_some_and(|(date, time)| date.split('-').count() == 3 && time.split(':').count() == 3)
}

fn is_duration(word: &str) -> bool {
    let units = ["ms", "µs", "s"].into_iter();
    units
        .filter_map(|unit| word.strip_suffix(unit))
        .any(is_number)
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok()
}

fn is_unit(word: &str) -> bool {
    ["s", "ms", "µs", "B", "KiB", "MiB", "%"].contains(&word)
}

#[test]
fn what_differs_from_run_to_run_is_no_difference() {
    let shown = "id 0c62b582-cc47-4509-96ce-a6a37c913d9d, etag W/\"abc\"\n\
                 2026-11-23T08:30:58.872784Z  12 µs ago by vm-1-0c62b582, 3 of them, –";
    let printed = "id  7368dad2-43a3-4359-95c9-2405f700f00e, etag W/\"def\"\n\
                   2027-01-01T00:00:00Z  1.2 ms ago by box-22-7368dad2, 4 of them, 0.5s";
    let mut names = Names::default();
    assert_eq!(names.differences(shown, printed), None);
    let command = "get 0c62b582-cc47-4509-96ce-a6a37c913d9d --etag 'W/\"abc\"'";
    assert_eq!(
        names.in_command(command),
        "get 7368dad2-43a3-4359-95c9-2405f700f00e --etag 'W/\"def\"'"
    );
}

#[test]
fn whatever_else_differs_is_told_line_by_line() {
    let (one, other) = (
        "0c62b582-cc47-4509-96ce-a6a37c913d9d",
        "7368dad2-43a3-4359-95c9-2405f700f00e",
    );
    let told = |shown: &str, printed: &str| Names::default().differences(shown, printed);
    assert_eq!(
        told("a\n3 rows", "a\n4 rows"),
        Some("  a\n- 3 rows\n+ 4 rows\n".to_owned())
    );
    assert_eq!(told("a\nb", "a"), Some("  a\n- b\n".to_owned()));
    assert_eq!(told("", "a"), Some("+ a\n".to_owned()));
    let twice = format!("{one}\n{one}");
    let (same, mixed) = (format!("{other}\n{other}"), format!("{other}\n{one}"));
    assert_eq!(told(&twice, &same), None);
    assert!(told(&twice, &mixed).is_some(), "two ids for one");
}

#[test]
fn a_page_is_written_as_it_is_read() {
    let page =
        "## A\n```console\n$ no\n```\n## B\n```console\n$ one\n1\n\n2\n\n$ two\n3\n```\nend\n";
    let steps = steps(page, "## B");
    let shown: Vec<_> = steps
        .iter()
        .map(|step| (step.command.as_str(), step.output.as_str()))
        .collect();
    assert_eq!(shown, [("one", "1\n\n2"), ("two", "3")]);
    assert_eq!(with_steps(page, "## B", &steps), page);
}
