//! Prints difficulties and the freshness of answers.
use super::{escape::clean, humanize, json::word, output::Output, screen};
use crate::{config::EnvVars, domain::Difficulty as Named, pb::catalog::v1 as pb};

/// How fresh an answer is, in two lines.
pub(super) fn summary(freshness: &pb::Freshness) -> String {
    let age = match (&freshness.staleness_bound, freshness.stale) {
        (Some(bound), true) => format!(", stale: {} old or more", humanize::time(Some(bound))),
        (None, true) => ", stale".to_owned(),
        (Some(bound), false) => format!(", at most {} old", humanize::time(Some(bound))),
        (None, false) => String::new(),
    };
    let source = word(freshness.source().as_str_name(), "ANSWER_SOURCE_").replace('_', " ");
    format!("from {source}{age}\nversion {}", clean(&freshness.version))
}

/// Warns of a stale answer, where the answer is shown without its [`summary`].
pub(super) fn warn(freshness: Option<&pb::Freshness>, output: Output, environment: &EnvVars) {
    let stale = freshness.filter(|freshness| freshness.stale && !output.is_table());
    if let Some(freshness) = stale {
        let age = freshness.staleness_bound.as_ref();
        let age = age.map(|bound| format!(", {} old or more", humanize::time(Some(bound))));
        let age = age.unwrap_or_default();
        let warning = format!("warning: a stale copy{age}: the server cannot read its database");
        screen::remark(&warning, environment);
    }
}

/// Takes in how fresh another page of the same list is: together they are as fresh as the worse.
pub(super) fn join(all: &mut pb::Freshness, page: &pb::Freshness) {
    let age = |it: &pb::Freshness| it.staleness_bound.map(|bound| (bound.seconds, bound.nanos));
    if page.stale && !all.stale || page.stale == all.stale && age(page) > age(all) {
        all.staleness_bound = page.staleness_bound;
    }
    all.stale |= page.stale;
}

/// The word for a difficulty.
pub(super) fn difficulty(difficulty: pb::Difficulty) -> String {
    word(difficulty.as_str_name(), "DIFFICULTY_")
}

/// The difficulty that was typed; unspecified when none was.
pub(super) fn difficulty_of(typed: Option<&String>) -> pb::Difficulty {
    let typed = typed.and_then(|word| word.parse::<Named>().ok());
    typed.map_or(pb::Difficulty::Unspecified, pb::Difficulty::from)
}
