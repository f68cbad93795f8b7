//! The query of a request: fields by the names of the contract, lists by repeated names, fields of messages by dots.
use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Kind, ReflectMessage};

use super::{
    field_path::FieldPath,
    percent,
    request_problems::RequestProblems,
    routes::{BodyRule, Route},
    scalar::{is_text, of_text},
};

/// Sets in `message` what the query says. A name that the route has from elsewhere is refused, as one that nobody
/// knows is: what has no effect would only make caches miss.
pub(super) fn read(
    route: &Route,
    query: &str,
    message: &mut DynamicMessage,
    problems: &mut RequestProblems,
) {
    let mut counts = HashMap::new();
    for (name, value) in pairs(query) {
        let name = match percent::decode(name, true) {
            Ok(name) => name,
            Err(problem) => {
                problems.note("query", format!("a name {problem}"));
                continue;
            }
        };
        let path = match field(route, message, &name) {
            Ok(path) => path,
            Err(problem) => {
                problems.note(&name, problem);
                continue;
            }
        };
        let count = counts.entry(path.name().to_owned()).or_insert(0_usize);
        *count += 1;
        if let Err((place, problem)) = put(&path, *count, value, message) {
            problems.note(place, problem);
        }
    }
}

/// The names and values of a query, still encoded.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The field of this name, if a query may fill it.
fn field(route: &Route, message: &DynamicMessage, name: &str) -> Result<FieldPath, &'static str> {
    let path = FieldPath::resolve(&message.descriptor(), name).ok_or("is unknown")?;
    if route.variables().iter().any(|it| it.meets(&path)) {
        return Err("is a part of the path");
    }
    let is_in_body = match route.body() {
        BodyRule::None => false,
        BodyRule::Whole => true,
        BodyRule::Field(field) => path.top() == field,
    };
    if is_in_body {
        return Err("belongs into the body");
    }
    let is_message = matches!(path.leaf().kind(), Kind::Message(_)) && !is_text(path.leaf());
    if is_message || path.leaf().is_map() {
        return Err("is a message: name its fields, behind a dot");
    }
    Ok(path)
}

/// Sets a value, which is the `count`th of its name.
fn put(
    path: &FieldPath,
    count: usize,
    value: &str,
    message: &mut DynamicMessage,
) -> Result<(), (String, String)> {
    let is_list = path.leaf().is_list();
    let place = || {
        if is_list {
            format!("{}[{}]", path.name(), count.saturating_sub(1))
        } else {
            path.name().to_owned()
        }
    };
    let refuse = |problem: String| (place(), problem);
    if count > 1 && !is_list {
        return Err(refuse("is given twice".to_owned()));
    }
    if count == 1
        && let Some(rival) = path.rival(message)
    {
        let problem = format!("cannot be given together with {}", rival.name());
        return Err(refuse(problem));
    }
    let text = percent::decode(value, true).map_err(|problem| refuse(problem.to_owned()))?;
    let value = of_text(path.leaf(), &text).map_err(refuse)?;
    path.put(message, value);
    Ok(())
}
