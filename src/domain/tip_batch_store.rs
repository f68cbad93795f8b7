use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    ChallengeId, Epoch, Error, Locale, PersonaName, ProviderBatchId, Spent, TipKey, UnixMicros,
    Usage,
};

/// Names a batch here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub Uuid);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// What is noted of a batch before a provider hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Names it.
    pub id: BatchId,
    /// Who is to write.
    pub provider: String,
    /// With what.
    pub model: String,
    /// The language of all its tips.
    pub locale: Locale,
    /// Their voice.
    pub persona: PersonaName,
    /// The wording of their prompts.
    pub edition: String,
    /// Whether the catalog shows them.
    pub shown: bool,
    /// The earlier batch of which it repeats orders, which is done once.
    pub repeats: Option<BatchId>,
    /// What was taken out of the day's money for it, in millionths of a US dollar.
    pub reserved_micro_usd: u64,
    /// When it was noted.
    pub created_at: UnixMicros,
    /// What is ordered, numbered from 0; at least one.
    pub orders: Vec<NewOrder>,
}

/// One tip of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Names the tip.
    pub key: TipKey,
    /// What it is about.
    pub challenge: ChallengeId,
    /// The texts of it that the tip is for, see [`super::content_hash`].
    pub content: [u8; 32],
    /// Of which generation of the tip it is.
    pub epoch: Epoch,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// It is noted, and whether a provider has it is not known.
    Noted,
    /// A provider has it.
    Submitted,
    /// The provider is done with it.
    Ended,
    /// All its results were taken over.
    Imported,
    /// No provider has it.
    Lost,
}

/// A batch as it is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedBatch {
    /// All but its orders, which are left out here.
    pub batch: NewBatch,
    /// How far it is.
    pub state: BatchState,
    /// Its name at the provider, once that is known.
    pub provider_id: Option<ProviderBatchId>,
    /// When it was first handed in, if it was: from then on the provider may have it.
    pub handed_in_at: Option<UnixMicros>,
    /// When the provider was done with it, as it was first heard.
    pub ended_at: Option<UnixMicros>,
    /// How many tips were ordered.
    pub orders: u64,
    /// How many of them were written.
    pub written: u64,
    /// How many were not, and will not be in this batch.
    pub failed: u64,
    /// What those that are settled cost.
    pub spent: Spent,
}

/// An order as it is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedOrder {
    /// Its place in the batch, from 0.
    pub number: u32,
    /// What was ordered.
    pub order: NewOrder,
    /// What became of it, once that is known: `success`, or a word for why not.
    pub outcome: Option<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledOrder {
    /// Its place in the batch.
    pub number: u32,
    /// `success`, or a word for why not.
    pub outcome: String,
    /// What it took.
    pub usage: Usage,
    /// What that costs, in millionths of a US dollar.
    pub cost_micro_usd: u64,
}

/// The batches that were ordered, so that whoever is there tomorrow finds them again. Closed ones
/// are kept for 90 days.
#[async_trait]
pub trait TipBatchStore: Send + Sync {
    /// Notes a batch. The same one counts once, however often it is told.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; [`Error::Internal`] for a name that
    /// holds NUL.
    async fn note(&self, batch: &NewBatch) -> Result<(), Error>;

    /// The batches that are neither imported nor lost, the oldest first; 100 at most.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn open_batches(&self) -> Result<Vec<NotedBatch>, Error>;

    /// Those of `ids` that there are, and those that repeat orders of them; the oldest first.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn batches(&self, ids: &[BatchId]) -> Result<Vec<NotedBatch>, Error>;

    /// The orders of a batch, by their numbers.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn orders(&self, id: BatchId) -> Result<Vec<NotedOrder>, Error>;

    /// Notes that the provider may have the batch from now on, or with `None` that it has not.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn handed_in(&self, id: BatchId, at: Option<UnixMicros>) -> Result<(), Error>;

    /// Notes the name that the provider gave to the batch; the first one stays.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn submitted(&self, id: BatchId, provider_id: &ProviderBatchId) -> Result<(), Error>;

    /// Notes when the provider was done with the batch; the first word stays.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn ended(&self, id: BatchId, at: UnixMicros) -> Result<(), Error>;

    /// Notes what became of some orders; what is noted stays.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn settle(&self, id: BatchId, orders: &[SettledOrder]) -> Result<(), Error>;

    /// Closes an open batch, lost when it never was at the provider, and notes the one that repeats
    /// some of its orders: both or nothing. False when it was closed already.
    ///
    /// # Errors
    ///
    /// As [`Self::note`].
    async fn close_batch(
        &self,
        id: BatchId,
        is_lost: bool,
        repeat: Option<&NewBatch>,
    ) -> Result<bool, Error>;
}
