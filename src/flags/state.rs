//! What the rows of flags and settings say, put together.
use std::collections::BTreeSet;

use super::evaluation::evaluate;
use crate::domain::{
    Configured, ControlRow, ControlRows, Environment, Evaluation, Flag, RowProblem, RuntimeControl,
    RuntimeSetting, Version, problems_of,
};

/// All that is known of the rows, and what follows from it.
#[derive(Debug)]
pub(super) struct State {
    configured: (Vec<Configured<Flag>>, Vec<Configured<RuntimeSetting>>),
    pub(super) version: Option<Version>,
    pub(super) flags: Vec<Evaluation<Flag>>,
    pub(super) settings: Vec<Evaluation<RuntimeSetting>>,
    /// What was said of rows, so that it is said once.
    told: BTreeSet<RowProblem>,
}

impl State {
    /// Before any row was read.
    pub(super) fn new(
        flags: Vec<Configured<Flag>>,
        settings: Vec<Configured<RuntimeSetting>>,
    ) -> Self {
        Self {
            version: None,
            flags: flags.iter().copied().map(Evaluation::configured).collect(),
            settings: settings
                .iter()
                .copied()
                .map(Evaluation::configured)
                .collect(),
            configured: (flags, settings),
            told: BTreeSet::new(),
        }
    }

    /// Takes in what was read.
    pub(super) fn follow(&mut self, rows: &ControlRows, own: Option<&Environment>) {
        self.version = Some(rows.version);
        let (flags, settings) = &self.configured;
        move_all(&mut self.flags, flags, &rows.flags, own);
        move_all(&mut self.settings, settings, &rows.settings, own);
        let problems = problems_of::<Flag>(&rows.flags).into_iter();
        self.tell(
            problems
                .chain(problems_of::<RuntimeSetting>(&rows.settings))
                .collect(),
        );
    }

    /// Says what is newly wrong, and what no longer is.
    fn tell(&mut self, problems: BTreeSet<RowProblem>) {
        for RowProblem {
            name,
            text,
            is_broken,
        } in problems.difference(&self.told)
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
        for mended in self.told.difference(&problems).filter(|old| old.is_broken) {
            tracing::info!(
                name = mended.name,
                problem = mended.text,
                "a row is valid again"
            );
        }
        self.told = problems;
    }
}

fn move_all<C: RuntimeControl>(
    evaluations: &mut [Evaluation<C>],
    configured: &[Configured<C>],
    rows: &[ControlRow<C::Raw>],
    own: Option<&Environment>,
) {
    for (evaluation, configured) in evaluations.iter_mut().zip(configured) {
        let now = evaluate(rows, own, *configured, evaluation);
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
