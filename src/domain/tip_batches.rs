use async_trait::async_trait;

use super::{BatchId, Error, Locale, NotedBatch, PersonaName, TipSubject};

/// What was ordered of what was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchesOrdered {
    /// The batches that were noted.
    pub batches: Vec<BatchId>,
    /// How many of the tips are in them: the first so many.
    pub ordered: usize,
    /// Why not all are.
    pub shortage: Option<Shortage>,
}

/// Whose money is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The run's own.
    Run,
    /// That of the day.
    Day,
}

/// Tips that are ordered together and come when they come.
///
/// What is ordered is noted for good, and brought to its end by whoever calls [`Self::advance`], in
/// this process or in another one.
#[async_trait]
pub trait TipBatches: Send + Sync {
    /// The most that one attempt to write this tip may cost, in millionths of a US dollar.
    fn most_cost(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> u64;

    /// Notes batches for the tips of `subjects`, as far as the money reaches: that of the day, and
    /// `budget_micro_usd` if there is one. Nothing is handed in yet.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; some may be noted then.
    async fn order(
        &self,
        subjects: &[TipSubject],
        locale: &Locale,
        persona: &PersonaName,
        budget_micro_usd: Option<u64>,
    ) -> Result<BatchesOrdered, Error>;

    /// Takes the next step with an open batch: hands it in, asks how it does, takes its results over.
    /// What a provider says against it is told in the log, and waited for. Two who do this at once
    /// do harm to nothing but their time, except that both may hand in.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; the step is taken again then.
    async fn advance(&self, batch: &NotedBatch) -> Result<(), Error>;
}
