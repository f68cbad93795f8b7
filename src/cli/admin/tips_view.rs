//! The progress of a run as JSON and as rows: the field names of the proto, enums as plain words.
use serde::Serialize;

use crate::{
    cli::figures::time,
    pb::{
        admin::v1::{BatchGenerateTipsResponse, BatchGenerateTipsSummary, GeneratedTip},
        catalog::v1::TipProviderFailure,
    },
};

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct ProgressView {
    done: i32,
    total: i32,
    current: String,
    last: Option<TipView>,
    summary: Option<SummaryView>,
}

#[derive(Debug, Serialize)]
struct TipView {
    challenge_id: String,
    outcome: String,
    /// Empty for a tip that was written.
    failure: String,
    /// Empty where no provider failed.
    provider_failure: String,
}

#[derive(Debug, Serialize)]
struct SummaryView {
    end: String,
    written: i32,
    kept: i32,
    failed: i32,
    untried: i32,
    failures: Vec<TipView>,
    attempts: i32,
    input_tokens: u64,
    output_tokens: u64,
    estimated: bool,
    cost_micro_usd: u64,
    most_cost_micro_usd: u64,
    took: Option<String>,
}

impl From<&BatchGenerateTipsResponse> for ProgressView {
    fn from(message: &BatchGenerateTipsResponse) -> Self {
        Self {
            done: message.done,
            total: message.total,
            current: message.current.clone(),
            last: message.last.as_ref().map(TipView::from),
            summary: message.summary.as_ref().map(SummaryView::from),
        }
    }
}

impl From<&GeneratedTip> for TipView {
    fn from(tip: &GeneratedTip) -> Self {
        Self {
            challenge_id: tip.challenge_id.clone(),
            outcome: word(tip.outcome().as_str_name(), "GENERATED_TIP_OUTCOME_"),
            failure: known(tip.failure().as_str_name(), FAILURE),
            provider_failure: known(tip.provider_failure().as_str_name(), PROVIDER_FAILURE),
        }
    }
}

impl From<&BatchGenerateTipsSummary> for SummaryView {
    fn from(summary: &BatchGenerateTipsSummary) -> Self {
        let usage = summary.usage.unwrap_or_default();
        Self {
            end: word(summary.end().as_str_name(), END),
            written: summary.written,
            kept: summary.kept,
            failed: summary.failed,
            untried: summary.untried,
            failures: summary.failures.iter().map(TipView::from).collect(),
            attempts: summary.attempts,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            estimated: usage.estimated,
            cost_micro_usd: summary.cost_micro_usd,
            most_cost_micro_usd: summary.most_cost_micro_usd,
            took: summary.took.map(|took| took.to_string()),
        }
    }
}

const END: &str = "GENERATION_END_";
const FAILURE: &str = "GENERATED_TIP_FAILURE_";
const PROVIDER_FAILURE: &str = "TIP_PROVIDER_FAILURE_";

/// Why a tip was not written, in a word.
pub(super) fn reason(tip: &GeneratedTip) -> String {
    let failure = tip.provider_failure();
    if failure == TipProviderFailure::Unspecified {
        known(tip.failure().as_str_name(), FAILURE)
    } else {
        word(failure.as_str_name(), PROVIDER_FAILURE)
    }
}

/// The enum's name as a plain word; empty where nothing is said.
fn known(name: &str, prefix: &str) -> String {
    let word = word(name, prefix);
    if word == "unspecified" {
        String::new()
    } else {
        word
    }
}

/// The enum's name as a plain word.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// How far a run is, such as `3/18`.
pub(super) fn counts(message: &BatchGenerateTipsResponse) -> String {
    format!("{}/{}", message.done, message.total)
}

/// The sums, for people.
pub(super) fn summary_rows(summary: &BatchGenerateTipsSummary) -> Vec<[String; 2]> {
    let usage = summary.usage.unwrap_or_default();
    let estimated = if usage.estimated { ", estimated" } else { "" };
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("end", word(summary.end().as_str_name(), END)),
        row("written", summary.written.to_string()),
        row("kept", summary.kept.to_string()),
        row("failed", summary.failed.to_string()),
        row("untried", summary.untried.to_string()),
        row("attempts", summary.attempts.to_string()),
        row(
            "tokens",
            format!(
                "{} read, {} written{estimated}",
                usage.input_tokens, usage.output_tokens
            ),
        ),
        row("cost", dollars(summary.cost_micro_usd)),
    ];
    if summary.most_cost_micro_usd > 0 {
        rows.push(row("most cost", dollars(summary.most_cost_micro_usd)));
    }
    if let Some(took) = summary.took {
        rows.push(row("took", time(Some(&took))));
    }
    rows
}

/// An amount for people, to the last millionth.
fn dollars(micro_usd: u64) -> String {
    format!("${}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::admin::v1::{GeneratedTipOutcome, GenerationEnd};

    #[test]
    fn enums_are_plain_words_and_amounts_are_dollars() {
        let tip = GeneratedTip {
            challenge_id: "id".to_owned(),
            outcome: GeneratedTipOutcome::Failed.into(),
            failure: crate::pb::admin::v1::GeneratedTipFailure::Rules.into(),
            provider_failure: 0,
        };
        assert_eq!(TipView::from(&tip).outcome, "failed");
        let summary = BatchGenerateTipsSummary {
            end: GenerationEnd::RunBudget.into(),
            cost_micro_usd: 1_200_034,
            ..Default::default()
        };
        assert_eq!(SummaryView::from(&summary).end, "run_budget");
        let rows = summary_rows(&summary);
        assert!(rows.contains(&["cost".to_owned(), "$1.200034".to_owned()]));
    }
}
