//! All targets.
use super::{
    access_files, answers, call_heads, certificates, credentials, events, http_requests, imports,
    names, notifications, redis_values, refusals, requests, tip_texts, tokens,
};
use crate::Target;

/// All targets, by name.
pub const TARGETS: [Target; 15] = [
    access_files::TARGET,
    answers::TARGET,
    call_heads::TARGET,
    certificates::TARGET,
    credentials::TARGET,
    events::TARGET,
    http_requests::TARGET,
    imports::TARGET,
    names::TARGET,
    notifications::TARGET,
    redis_values::TARGET,
    refusals::TARGET,
    requests::TARGET,
    tip_texts::TARGET,
    tokens::TARGET,
];

static ALL: [Target; 15] = TARGETS;

/// The target of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}
