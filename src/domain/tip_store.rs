//! The port to the tips that the database keeps, and to what attempts cost.
use std::time::Duration;

use async_trait::async_trait;

use super::{ChallengeId, Epoch, Error, Locale, PersonaName, Tip, TipKey, UnixMicros, Usage};

/// What a finished tip was written for; beside its key, for searches by other fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipOrigin {
    /// The challenge.
    pub challenge: ChallengeId,
    /// Names those texts of the challenge that decide the tip, see [`super::content_hash`].
    pub content: [u8; 32],
    /// The language.
    pub locale: Locale,
    /// The persona.
    pub persona: PersonaName,
    /// The wording of the prompt, see [`super::PromptBook::prompt_version`].
    pub prompt_version: String,
    /// Whether the catalog shows it beside the challenge, where nobody chooses a language or a
    /// persona: both are the default.
    pub shown: bool,
}

/// One attempt with a provider, for the attempt ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The tip it was for.
    pub key: TipKey,
    /// In which generation.
    pub epoch: Epoch,
    /// With whom.
    pub provider: String,
    /// With what.
    pub model: String,
    /// `success`, or the word of the [`super::FailureKind`], or `aborted`.
    pub outcome: String,
    /// What it cost in tokens.
    pub usage: Usage,
    /// What that costs, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// When it ended.
    pub ended_at: UnixMicros,
}

/// Where finished tips are kept for good: until 30 days after their time, and the attempt ledger for 90 days.
#[async_trait]
pub trait TipStore: Send + Sync {
    /// The tip of this name, expired or not.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error>;

    /// The newest tip for the challenge in this language and persona, expired or not, whatever text,
    /// prompt or route it was written for: better than none while the providers are away.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    async fn newest(
        &self,
        challenge: ChallengeId,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Result<Option<Tip>, Error>;

    /// Keeps the tip, unless one of the same or a later epoch is there, and returns whether it did.
    ///
    /// One that the catalog shows is shown from here on, in one transaction with the commit that
    /// says so to every replica, unless a newer one of another name is shown. Where others were shown in
    /// the last seconds it waits, and is due: see [`Self::show_due`].
    ///
    /// # Errors
    ///
    /// As [`Self::find`]; [`Error::Internal`] for a text that is empty, longer than 64 KiB, or holds
    /// NUL. Then nothing was kept.
    async fn save(&self, tip: &Tip, origin: &TipOrigin) -> Result<bool, Error>;

    /// Shows the tips that are due, all in one commit, if none were shown in the last seconds: each such
    /// commit empties lists in all caches. Tells how long it is until the rest may be shown.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    async fn show_due(&self) -> Result<Option<Duration>, Error>;

    /// Records what an attempt cost. The same attempt counts once, however often it is recorded.
    ///
    /// # Errors
    ///
    /// As [`Self::find`]; [`Error::Internal`] for a name that holds NUL.
    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error>;
}
