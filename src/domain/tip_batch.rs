use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{Ending, Prompt, Route, UnixMicros, WriteFailure};

/// A tip to be written together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOrder {
    /// Leads from the result back to the order: 1 to 64 letters, digits, `-` and `_`, and no other
    /// order has it, in this batch or another.
    pub custom_id: String,
    /// What the provider is told.
    pub prompt: Prompt,
}

/// Names a batch at its provider: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderBatchId(pub String);

/// What a provider says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStatus {
    /// Names it.
    pub id: ProviderBatchId,
    /// How many orders are in it.
    pub orders: u64,
    /// Whether it is done with all of them, so that there are results.
    pub has_ended: bool,
    /// When that was, if it says.
    pub ended_at: Option<UnixMicros>,
}

/// What became of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// As in the order.
    pub custom_id: String,
    /// How it ended.
    pub outcome: BatchOutcome,
}

/// How an order of a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// With a text that is whole, not empty, and begins with a word.
    Written(String, Ending),
    /// Without.
    Failed(WriteFailure),
    /// The day was over before its turn came.
    Expired,
    /// Somebody cancelled the batch before its turn came.
    Canceled,
}

/// Writes many tips together, in its own time and for less: one provider with one model.
///
/// Every call is one request and never a second, and every wait in it has a limit.
#[async_trait]
pub trait TipBatchWriter: Send + Sync {
    /// Who writes.
    fn route(&self) -> &Route;

    /// Hands in a batch. After [`super::FailureKind::Connect`], `TooSlow`, `ServerFault`,
    /// `Truncated` or `Malformed` it may have been taken all the same.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    async fn submit(&self, orders: &[BatchOrder]) -> Result<BatchStatus, WriteFailure>;

    /// How a batch does; `None` when there is no such batch.
    ///
    /// # Errors
    ///
    /// Why that cannot be told.
    async fn status(&self, id: &ProviderBatchId) -> Result<Option<BatchStatus>, WriteFailure>;

    /// The newest batches, whoever handed them in; 100 at most.
    ///
    /// # Errors
    ///
    /// As [`Self::status`].
    async fn newest(&self) -> Result<Vec<BatchStatus>, WriteFailure>;

    /// The results of a batch that has ended, in any order; one that cannot be read is left out. An
    /// error is the end.
    fn results(
        &self,
        id: &ProviderBatchId,
    ) -> BoxStream<'static, Result<BatchResult, WriteFailure>>;

    /// Has the provider forget a batch that has ended. One that is gone is no error.
    ///
    /// # Errors
    ///
    /// As [`Self::status`].
    async fn delete(&self, id: &ProviderBatchId) -> Result<(), WriteFailure>;
}
