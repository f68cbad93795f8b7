//! Text as HTML.
use std::fmt::Write;

/// The text as it may stand in HTML, within elements and quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

/// A line of text, in which backticks enclose code.
pub(super) fn line(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let is_code = at % 2 == 1;
        html.push_str(if is_code { "<code>" } else { "" });
        html.push_str(&escaped(part));
        html.push_str(if is_code { "</code>" } else { "" });
    }
    html
}

/// Paragraphs, between which lines are empty, and lists, whose lines begin with a hyphen.
pub(super) fn paragraphs(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for paragraph in text.split("\n\n").filter(|it| !it.trim().is_empty()) {
        let mut items = Vec::new();
        let mut words = Vec::new();
        for text in paragraph.lines() {
            match text.strip_prefix("- ") {
                Some(item) => items.push(line(item)),
                None => words.push(line(text)),
            }
        }
        if !words.is_empty() {
            // Writing to a text does not fail.
            let _ = writeln!(html, "<p>{}</p>", words.join(" "));
        }
        if !items.is_empty() {
            let _ = writeln!(html, "<ul><li>{}</li></ul>", items.join("</li><li>"));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup_but_code_and_lists() {
        let text = "A <b> & `c<d`.\nMore \"so\".\n\nOf:\n- `x`: y\n- z";
        let html = "<p>A &lt;b&gt; &amp; <code>c&lt;d</code>. More &quot;so&quot;.</p>\n\
                    <p>Of:</p>\n<ul><li><code>x</code>: y</li><li>z</li></ul>\n";
        assert_eq!(paragraphs(text), html);
    }

    #[test]
    fn code_that_is_not_closed_is_closed() {
        assert_eq!(line("a `b"), "a <code>b</code>");
    }
}
