//! The use cases, in the domain's words.
mod bulk;
mod cache_admin;
mod catalog;
mod controls;
mod edit;
mod generate;
mod history;
mod history_metrics;
pub mod seed;
mod task_lease;
mod tips;
mod warm;

pub use bulk::{DraftRow, ImportRequest, ImportRun};
pub use cache_admin::{CacheAdminService, InvalidationTarget, Mode, Receipt};
pub use catalog::CatalogService;
pub use controls::{ControlChange, ControlsService, RowTarget, etag_of};
pub use edit::{EditOutcome, EditService};
pub use generate::{
    GeneratePlan, GenerateProgress, GenerateSummary, GenerateTipsService, Generating, RunEnd,
    Scope, TipOutcome, TipsPerMinute,
};
pub use history::HistoryPruning;
pub use history_metrics::HistoryMetrics;
pub use task_lease::FleetTasks;
pub use tips::{TipEvents, TipTerms, TipsOfMany, TipsService};
pub use warm::{WarmPlan, WarmProgress, WarmService, WarmTally};
