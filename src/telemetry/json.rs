//! Formats log events as one flat JSON object a line.
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// One flat JSON object a line: time, level, target and message, then the
/// event's fields and those of all spans around it. So `request_id` is found
/// at the top of every line of a call, however deep the line was written.
pub(super) struct FlatJson;

#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: String,
    level: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<&'a str>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Names of [`JsonLine`] that no field may take.
const OWN: [&str; 5] = ["timestamp", "level", "target", "message", "span"];

impl<S> FormatEvent<S, JsonFields> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut text), event)?;
        let mut own = object(&text);
        let message = own.remove("message");

        let mut fields = Map::new();
        let spans = context
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root);
        for span in spans {
            if let Some(recorded) = span.extensions().get::<FormattedFields<JsonFields>>() {
                fields.append(&mut object(recorded));
            }
        }
        fields.append(&mut own);
        fields.retain(|name, _| !OWN.contains(&name.as_str()) && !name.starts_with("log."));

        let metadata = event.metadata();
        let line = JsonLine {
            timestamp: now()?,
            level: metadata.level().as_str(),
            target: metadata.target(),
            message,
            span: context.lookup_current().map(|span| span.name()),
            fields,
        };
        writeln!(
            writer,
            "{}",
            serde_json::to_string(&line).map_err(|_| fmt::Error)?
        )
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn now() -> Result<String, fmt::Error> {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text)
}
