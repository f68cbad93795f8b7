//! Writes a page of metrics in Prometheus' text format 0.0.4. There is no registry (ADR 10).
use std::fmt::{self, Write};

use super::Distribution;

/// A page of metrics in Prometheus' text format 0.0.4.
///
/// Figures are gathered when the page is asked for, from counters that stand where things are
/// counted. So no registry is needed, and nothing is counted twice.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// The metrics of one name.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

/// What a figure may be.
pub trait Number: fmt::Display + Copy {}

impl Number for u8 {}
impl Number for u32 {}
impl Number for u64 {}
impl Number for usize {}
impl Number for f64 {}

impl Page {
    /// The type of the page, for the header `content-type`.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// What only grows; the name ends in `_total`.
    pub fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// What goes up and down.
    pub fn gauge<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// How values are spread.
    pub fn histogram<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "histogram", help)
    }

    /// The whole page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        let text = &mut self.text;
        // Writing to a string cannot fail; so below.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text, name }
    }
}

impl Family<'_> {
    /// One figure, told apart from its sisters by `labels`.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Number) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// How values are spread that are told apart from others by `labels`.
    pub fn spread(&mut self, labels: &[(&str, &str)], values: &Distribution) -> &mut Self {
        for (bound, count) in &values.up_to {
            self.line("_bucket", labels, Some(&bound.to_string()), *count);
        }
        self.line("_bucket", labels, Some("+Inf"), values.count);
        self.line("_sum", labels, None, values.sum);
        self.line("_count", labels, None, values.count);
        self
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Number,
    ) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, text) in labels.iter().copied().chain(bound) {
            let _ = write!(self.text, "{before}{name}=\"{}\"", Escaped(text));
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// The text of a label: backslash, quote and line break are written with a backslash.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\"),
                '"' => f.write_str("\\\""),
                '\n' => f.write_str("\\n"),
                c => f.write_char(c),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        page.counter("calls_total", "Calls.")
            .sample(&[("method", "Get"), ("who", "a\"\\\nb")], 3_u64)
            .sample(&[], 0.5);
        let values = Distribution {
            up_to: vec![(0.00001, 1), (0.5, 2)],
            count: 3,
            sum: 1.5,
        };
        page.histogram("took_seconds", "How long.")
            .spread(&[("m", "x")], &values);
        let expected = r#"# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{method="Get",who="a\"\\\nb"} 3
calls_total 0.5
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{m="x",le="0.00001"} 1
took_seconds_bucket{m="x",le="0.5"} 2
took_seconds_bucket{m="x",le="+Inf"} 3
took_seconds_sum{m="x"} 1.5
took_seconds_count{m="x"} 3
"#;
        assert_eq!(page.into_text(), expected);
    }
}
