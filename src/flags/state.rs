//! The value in force of every flag and setting, evaluated from the newest rows.
use std::collections::BTreeSet;

use super::evaluation::evaluate;
use crate::domain::{
    ControlProblem, ControlRows, Environment, Evaluation, Flag, RuntimeSetting, StoredControl,
    Version, problems_of,
};

/// The value in force of every flag and setting.
#[derive(Debug)]
pub(super) struct FlagState {
    /// The version of those rows; `None` before any were read.
    pub(super) version: Option<Version>,
    pub(super) flags: Vec<Evaluation<Flag>>,
    pub(super) settings: Vec<Evaluation<RuntimeSetting>>,
    /// The problems of rows that were logged, so that each is logged once.
    logged: BTreeSet<ControlProblem>,
}

impl FlagState {
    /// Before any row was read.
    pub(super) fn new(
        flags: Vec<Evaluation<Flag>>,
        settings: Vec<Evaluation<RuntimeSetting>>,
    ) -> Self {
        Self {
            version: None,
            flags,
            settings,
            logged: BTreeSet::new(),
        }
    }

    /// Applies the rows that were read.
    pub(super) fn apply(&mut self, rows: &ControlRows, own: Option<&Environment>) {
        self.version = Some(rows.version);
        evaluate_all(&mut self.flags, rows, own);
        evaluate_all(&mut self.settings, rows, own);
        let mut problems = problems_of::<Flag>(&rows.flags);
        problems.extend(problems_of::<RuntimeSetting>(&rows.settings));
        self.log(problems.into_iter().collect());
    }

    /// Logs the rows that are newly wrong, and those that no longer are.
    fn log(&mut self, problems: BTreeSet<ControlProblem>) {
        for ControlProblem {
            name,
            text,
            is_broken,
        } in problems.difference(&self.logged)
        {
            if *is_broken {
                tracing::error!(
                    name,
                    problem = text,
                    "a row is invalid; the last valid value stays in force"
                );
            } else {
                tracing::info!(name, problem = text, "a row has no effect");
            }
        }
        for fixed in self
            .logged
            .difference(&problems)
            .filter(|old| old.is_broken)
        {
            tracing::info!(
                name = fixed.name,
                problem = fixed.text,
                "a row is valid again"
            );
        }
        self.logged = problems;
    }
}

fn evaluate_all<C: StoredControl>(
    evaluations: &mut [Evaluation<C>],
    rows: &ControlRows,
    own: Option<&Environment>,
) {
    for evaluation in evaluations {
        let now = evaluate(C::rows(rows), own, evaluation);
        if now.value != evaluation.value {
            let row = now.row.as_ref();
            tracing::info!(
                kind = C::KIND.as_str(),
                name = %now.control,
                from = %evaluation.value,
                to = %now.value,
                source = now.source.as_str(),
                by = row.and_then(|row| row.updated_by.as_deref()),
                remark = row.and_then(|row| row.description.as_deref()),
                "value changed by operators"
            );
        }
        *evaluation = now;
    }
}
