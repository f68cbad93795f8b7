//! The progress and the summary of a run.
use std::time::{Duration, Instant};

use crate::domain::{ChallengeId, FallbackCause, Spent};

/// How many failures a summary names.
const NAMED_FAILURES: usize = 100;

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateProgress {
    /// How many challenges had their turn.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The one whose tip was begun last.
    pub current: Option<ChallengeId>,
    /// The one that was finished last, where this tells of one.
    pub last: Option<(ChallengeId, TipOutcome)>,
    /// At the end.
    pub summary: Option<Box<GenerateSummary>>,
}

/// What became of the tip of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TipOutcome {
    /// It was written.
    Written,
    /// A current one was there.
    Kept,
    /// It could not be written.
    Failed(FallbackCause),
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunEnd {
    /// Every challenge had its turn.
    #[default]
    Complete,
    /// It was only to be told what would be done.
    Validated,
    /// The run's own budget has no room for the next request.
    RunBudget,
    /// The daily budget has none.
    DailyBudget,
    /// The provider's circuit breaker stayed open or its limit reached, or it refuses us.
    ProviderAway,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerateSummary {
    /// Why it ended.
    pub end: RunEnd,
    /// Tips that were written.
    pub written: usize,
    /// Challenges that had a current tip already.
    pub kept: usize,
    /// Challenges whose tip could not be written.
    pub failed: usize,
    /// Challenges whose turn did not come.
    pub untried: usize,
    /// The first of those that failed, 100 at most.
    pub failures: Vec<(ChallengeId, FallbackCause)>,
    /// What all attempts took.
    pub spent: Spent,
    /// The most that what is missing may cost, where only that was asked.
    pub most_cost_micro_usd: u64,
    /// How long it took.
    pub took: Duration,
}

/// Counts what becomes of the challenges of a run.
#[derive(Debug)]
pub(super) struct RunCounts {
    total: usize,
    started: Instant,
    /// As far as it is known before the end.
    summary: GenerateSummary,
}

impl RunCounts {
    pub(super) fn of(total: usize) -> Self {
        Self {
            total,
            started: Instant::now(),
            summary: GenerateSummary::default(),
        }
    }

    pub(super) fn count(&mut self, challenge: ChallengeId, outcome: TipOutcome) {
        let summary = &mut self.summary;
        match outcome {
            TipOutcome::Written => summary.written += 1,
            TipOutcome::Kept => summary.kept += 1,
            TipOutcome::Failed(cause) => {
                summary.failed += 1;
                if summary.failures.len() < NAMED_FAILURES {
                    summary.failures.push((challenge, cause));
                }
            }
        }
    }

    pub(super) fn progress(
        &self,
        current: Option<ChallengeId>,
        last: Option<(ChallengeId, TipOutcome)>,
    ) -> GenerateProgress {
        GenerateProgress {
            done: self.done(),
            total: self.total,
            current,
            last,
            summary: None,
        }
    }

    pub(super) fn summary(
        &self,
        end: RunEnd,
        spent: Spent,
        most_cost_micro_usd: u64,
    ) -> GenerateProgress {
        let summary = GenerateSummary {
            end,
            untried: self.total.saturating_sub(self.done()),
            spent,
            most_cost_micro_usd,
            took: self.started.elapsed(),
            ..self.summary.clone()
        };
        GenerateProgress {
            summary: Some(Box::new(summary)),
            ..self.progress(None, None)
        }
    }

    fn done(&self) -> usize {
        self.summary.written + self.summary.kept + self.summary.failed
    }
}
