//! The page itself.
use std::fmt::Write;

use bytes::Bytes;
use serde_json::Value;

use super::{
    example::curl,
    markup::{escaped, line, paragraphs},
    schema_text::{resolved, words},
};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1b1f;--soft:#5b5b66;--paper:#fff;--box:#f4f4f7;--line:#d8d8e0;--link:#0b57d0}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e6ea;--soft:#a6a6b3;--paper:#16161a;--box:#212127;--line:#3a3a44;--link:#8ab4f8}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:1rem 1.25rem 4rem;font:1rem/1.5 system-ui,sans-serif;\
color:var(--ink);background:var(--paper)}a{color:var(--link)}h1{margin-bottom:0}h2{margin-top:3rem;border-bottom:1px solid var(--line)}\
h3{margin:0;font-size:1rem;display:inline}code,pre{font-family:ui-monospace,monospace;font-size:.9em}\
pre{background:var(--box);padding:.75rem;overflow-x:auto;border-radius:.4rem}details{border:1px solid var(--line);\
border-radius:.4rem;margin:.5rem 0;padding:.5rem .75rem}summary{cursor:pointer}summary p{margin:.25rem 0 0;color:var(--soft)}\
.verb{display:inline-block;min-width:4.5rem;font-weight:700}.old{color:var(--soft)}table{border-collapse:collapse;width:100%;\
display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line)}\
nav ul{columns:16rem;padding-left:1.2rem}h4{margin:1rem 0 .25rem}";

/// Makes the page of an OpenAPI document.
pub(in crate::http) fn page(document: &Value) -> Bytes {
    let mut html = String::with_capacity(256 << 10);
    let title = escaped(text(document, "/info/title"));
    let version = escaped(text(document, "/info/version"));
    let tags = list(document, "/tags");
    // Writing to a text does not fail.
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<header><h1>{title}</h1>\n<p>Version {version}; for programs: <a href=\"/openapi.json\">openapi.json</a></p>\n{}</header>\n",
        paragraphs(text(document, "/info/description")),
    );
    html.push_str("<nav aria-label=\"Services\"><ul>\n");
    for tag in tags {
        let name = escaped(text(tag, "/name"));
        let _ = writeln!(html, "<li><a href=\"#{name}\">{name}</a></li>");
    }
    html.push_str("<li><a href=\"#schemas\">Messages</a></li></ul></nav>\n<main>\n");
    for tag in tags {
        service(document, tag, &mut html);
    }
    schemas(document, &mut html);
    html.push_str("</main>\n</body>\n</html>\n");
    html.into()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// Its properties, from the first to the last.
fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    map.into_iter().flatten()
}

fn service(document: &Value, tag: &Value, html: &mut String) {
    let name = text(tag, "/name");
    let id = escaped(name);
    let about = paragraphs(text(tag, "/description"));
    let _ = write!(
        html,
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{id}</h2>\n{about}"
    );
    for (path, item) in entries(document, "/paths") {
        for (verb, call) in item.as_object().into_iter().flatten() {
            if text(call, "/tags/0") == name {
                operation(document, (&verb.to_uppercase(), path), call, html);
            }
        }
    }
    html.push_str("</section>\n");
}

fn operation(document: &Value, (verb, path): (&str, &str), call: &Value, html: &mut String) {
    let id = escaped(text(call, "/operationId"));
    let is_old = call.get("deprecated") == Some(&Value::Bool(true));
    let class = if is_old { " class=\"old\"" } else { "" };
    let _ = write!(
        html,
        "<details id=\"{id}\"{class}>\n<summary><h3><span class=\"verb\">{verb}</span> <code>{}</code></h3><p>{}</p></summary>\n{}",
        escaped(path),
        line(text(call, "/summary")),
        paragraphs(text(call, "/description")),
    );
    parameters(document, call, html);
    body(call, html);
    answers(document, call, html);
    let example = escaped(&curl(document, verb, path, call));
    let _ = write!(
        html,
        "<h4>Example</h4>\n<pre><code>{example}</code></pre>\n</details>\n"
    );
}

fn parameters(document: &Value, call: &Value, html: &mut String) {
    let parameters = list(call, "/parameters");
    if parameters.is_empty() {
        return;
    }
    html.push_str("<h4>Parameters</h4>\n");
    head(&["Name", "In", "Value", "Meaning"], html);
    for parameter in parameters {
        let parameter = resolved(document, parameter);
        let is_required = parameter.get("required") == Some(&Value::Bool(true));
        let cells = [
            format!("<code>{}</code>", escaped(text(parameter, "/name"))),
            format!(
                "{}{}",
                text(parameter, "/in"),
                if is_required { ", required" } else { "" }
            ),
            parameter.get("schema").map(words).unwrap_or_default(),
            line(text(parameter, "/description")),
        ];
        row(&cells, html);
    }
    html.push_str("</tbody></table>\n");
}

fn body(call: &Value, html: &mut String) {
    for (kind, media) in entries(call, "/requestBody/content") {
        let _ = writeln!(html, "<h4>Body: <code>{}</code></h4>", escaped(kind));
        let schema = media.get("schema").unwrap_or(&Value::Null);
        let parts = list(schema, "/allOf");
        let schema = parts.first().unwrap_or(schema);
        if schema.get("properties").is_some() {
            properties(schema, html);
        } else {
            let _ = writeln!(html, "<p>{}</p>", words(schema));
        }
    }
}

fn answers(document: &Value, call: &Value, html: &mut String) {
    html.push_str("<h4>Answers</h4>\n");
    head(&["Status", "Body", "Meaning"], html);
    for (status, answer) in entries(call, "/responses") {
        let answer = resolved(document, answer);
        let bodies = entries(answer, "/content").map(|(kind, media)| {
            let schema = media.get("schema").map(words).unwrap_or_default();
            format!("<code>{}</code>: {schema}", escaped(kind))
        });
        let bodies: Vec<_> = bodies.collect();
        let about = line(text(answer, "/description"));
        row(&[escaped(status), bodies.join("<br>"), about], html);
    }
    html.push_str("</tbody></table>\n");
}

fn schemas(document: &Value, html: &mut String) {
    html.push_str("<section id=\"schemas\" aria-labelledby=\"schemas-title\">\n<h2 id=\"schemas-title\">Messages</h2>\n");
    for (name, schema) in entries(document, "/components/schemas") {
        let name = escaped(name);
        let about = paragraphs(text(schema, "/description"));
        let _ = write!(
            html,
            "<details id=\"schema-{name}\">\n<summary><h3><code>{name}</code></h3></summary>\n{about}"
        );
        if schema.get("properties").is_some() {
            properties(schema, html);
        }
        html.push_str("</details>\n");
    }
    html.push_str("</section>\n");
}

fn properties(schema: &Value, html: &mut String) {
    let required = list(schema, "/required");
    head(&["Field", "Value", "Meaning"], html);
    for (name, property) in entries(schema, "/properties") {
        let is_required = required.iter().any(|it| it == name);
        let mark = if is_required { ", always there" } else { "" };
        let cells = [
            format!("<code>{}</code>{mark}", escaped(name)),
            words(property),
            paragraphs(text(property, "/description")),
        ];
        row(&cells, html);
    }
    html.push_str("</tbody></table>\n");
}

fn head(names: &[&str], html: &mut String) {
    html.push_str("<table><thead><tr>");
    for name in names {
        let _ = write!(html, "<th scope=\"col\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
}

fn row(cells: &[String], html: &mut String) {
    let _ = writeln!(html, "<tr><td>{}</td></tr>", cells.join("</td><td>"));
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
