//! Generates the tips of many challenges beforehand.
mod live;
#[cfg(test)]
mod live_tests;
mod plan;
mod progress;
mod start;
mod verdict;

pub use plan::{GeneratePlan, Scope, TipsPerMinute};
pub use progress::{GenerateProgress, GenerateSummary, RunEnd, TipOutcome};
pub use start::{GenerateTipsService, Generating};
