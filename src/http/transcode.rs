//! An HTTP request as the message of the method that it means.
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, Value};

use super::{
    body_json, query,
    request_problems::{RequestProblems, Unreadable},
    routes::{BodyRule, Route},
};

/// Makes the request message of `route` from what the path says, from the query and from the body.
///
/// # Errors
///
/// All that is wrong with the fields, at once; or that the body is not JSON.
pub(crate) fn request(
    route: &Route,
    variables: &[String],
    query: &str,
    body: &[u8],
) -> Result<DynamicMessage, Unreadable> {
    let mut problems = RequestProblems::default();
    let mut message = message_of_body(route, body, &mut problems)?;
    for (variable, text) in route.variables().iter().zip(variables) {
        let other = variable.text(&message).filter(|other| other != text);
        if other.is_some() {
            problems.note(variable.name(), "is another one in the path");
        }
        variable.put(&mut message, Value::String(text.clone()));
    }
    query::read(route, query, &mut message, &mut problems);
    problems.end().map(|()| message)
}

fn message_of_body(
    route: &Route,
    body: &[u8],
    problems: &mut RequestProblems,
) -> Result<DynamicMessage, Unreadable> {
    let kind = route.rpc().input();
    match route.body() {
        BodyRule::Whole => body_json::read(kind, body, "", problems),
        BodyRule::Field(field) => {
            let mut message = DynamicMessage::new(kind);
            if let Kind::Message(kind) = field.kind()
                && !body.trim_ascii().is_empty()
            {
                let inner = body_json::read(kind, body, field.name(), problems)?;
                message.set_field(field, Value::Message(inner));
            }
            Ok(message)
        }
        BodyRule::None => {
            if !body.is_empty() {
                problems.note("body", "must be empty");
            }
            Ok(DynamicMessage::new(kind))
        }
    }
}

/// A line of NDJSON as one of the messages that a method takes a stream of.
///
/// # Errors
///
/// As for [`request`]; `line`, from 1, is told with what is wrong.
pub(crate) fn request_of_line(
    rpc: &MethodDescriptor,
    line: usize,
    json: &[u8],
) -> Result<DynamicMessage, Unreadable> {
    let mut problems = RequestProblems::default();
    let within = format!("lines[{line}]");
    match body_json::read(rpc.input(), json, &within, &mut problems) {
        Ok(message) => problems.end().map(|()| message),
        Err(Unreadable::Malformed(problem)) => {
            // It is one line for the reader of JSON, so the column alone tells where.
            let told = problem.rsplit_once(" at line ");
            let told = told.and_then(|(what, place)| Some((what, place.split_once(" column ")?.1)));
            let problem = told.map_or(problem.clone(), |(what, at)| {
                format!("{what} at column {at}")
            });
            Err(Unreadable::Malformed(format!("line {line}: {problem}")))
        }
        Err(problem @ Unreadable::Fields(_)) => Err(problem),
    }
}

#[cfg(test)]
#[path = "transcode_tests.rs"]
mod tests;
