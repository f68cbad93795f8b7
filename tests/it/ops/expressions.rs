//! Which metrics and labels an expression of `PromQL` asks for; just enough of its grammar.
use std::collections::BTreeSet;

/// What an expression asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub metrics: BTreeSet<String>,
    pub labels: BTreeSet<String>,
}

/// Words that are no metrics although no parenthesis follows them.
const WORDS: [&str; 16] = [
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "sum",
    "min",
    "max",
    "avg",
    "count",
    "by",
    "without",
    "on",
    "ignoring",
    "group_right",
    "group_left",
];
/// Words before a list of labels.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_right",
    "group_left",
];

/// Reads an expression that promtool has found to be one.
pub fn asked(expression: &str) -> Asked {
    let mut asked = Asked::default();
    let text = without_texts_and_ranges(expression);
    let mut rest = text.as_str();
    let mut before = String::new();
    while let Some(first) = rest.chars().next() {
        if first == '{' || (first == '(' && BEFORE_LABELS.contains(&before.as_str())) {
            let end = rest.find(['}', ')']).expect("a list that ends");
            let labels = rest[1..end].split(',').map(str::trim);
            let names = labels.map(|label| label.split(['=', '!']).next().unwrap().trim());
            let names = names.filter(|name| !name.is_empty());
            asked.labels.extend(names.map(str::to_owned));
            rest = &rest[end + 1..];
            before.clear();
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let is_other = |c: char| !(c.is_ascii_alphanumeric() || "_:.".contains(c));
            let end = rest.find(is_other).unwrap_or(rest.len());
            let word = &rest[..end];
            rest = &rest[end..];
            let is_function = rest.trim_start().starts_with('(');
            let is_figure = !first.is_ascii_digit() && !is_function && !WORDS.contains(&word);
            if is_figure {
                asked.metrics.insert(word.to_owned());
            }
            word.clone_into(&mut before);
        } else {
            rest = &rest[first.len_utf8()..];
            if !first.is_whitespace() {
                before.clear();
            }
        }
    }
    asked
}

/// What stands in quotes or brackets names nothing.
fn without_texts_and_ranges(expression: &str) -> String {
    let mut text = String::new();
    let mut until = None;
    for c in expression.chars() {
        match (until, c) {
            (Some(end), c) if c == end => until = None,
            (Some(_), _) => {}
            (None, '"') => until = Some('"'),
            (None, '[') => until = Some(']'),
            (None, c) => text.push(c),
        }
    }
    text
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn figures_and_labels_are_told_apart_from_all_else() {
    let expression = r#"histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{x="b{c}", y!~"z"}[5m])))
        > 0.5 and on (job) max without (i) (b:rate5m offset 1m) - on (job) group_right c == 1
        / on (job) group_left d"#;
    let expected = Asked {
        metrics: set(&["a_bucket", "b:rate5m", "c", "d"]),
        labels: set(&["job", "le", "x", "y", "i"]),
    };
    assert_eq!(asked(expression), expected);
}
