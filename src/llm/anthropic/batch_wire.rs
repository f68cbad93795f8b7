//! The messages of the batches API (platform.claude.com/docs/en/api/creating-message-batches), as far as
//! tips need them.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::writer::Order;

/// What is handed in.
#[derive(Serialize)]
pub(super) struct Submission<'a> {
    pub(super) requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) custom_id: &'a str,
    pub(super) params: Order<'a>,
}

/// A batch. Its `results_url` is not read: where results are is known, and the key goes nowhere else.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) processing_status: String,
    pub(super) request_counts: RequestCounts,
    pub(super) ended_at: Option<String>,
}

/// How many orders are in which state; their sum is how many there are, at any time.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestCounts {
    processing: u64,
    succeeded: u64,
    errored: u64,
    canceled: u64,
    expired: u64,
}

impl RequestCounts {
    pub(super) fn sum(self) -> u64 {
        let all = [
            self.processing,
            self.succeeded,
            self.errored,
            self.canceled,
            self.expired,
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }
}

/// A list of batches, the newest first.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) data: Vec<Batch>,
}

/// A line of the results.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) custom_id: String,
    pub(super) result: LineResult,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum LineResult {
    /// A message that is whole.
    Succeeded {
        message: Value,
    },
    /// The provider's error, in an envelope of its own or not.
    Errored {
        error: Value,
    },
    Canceled,
    Expired,
}
