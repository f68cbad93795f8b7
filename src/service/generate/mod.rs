//! Tips of many challenges, written beforehand.
mod live;
#[cfg(test)]
mod live_tests;
mod pace;
mod plan;
mod progress;
mod scope;
mod start;
mod verdict;

pub use pace::TipsPerMinute;
pub use plan::{GeneratePlan, Scope};
pub use progress::{GenerateProgress, GenerateSummary, RunEnd, TipOutcome};
pub use start::{GenerateTipsService, Generating};
