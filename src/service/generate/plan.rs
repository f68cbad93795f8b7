//! Which tips to have written, and how.
use super::TipsPerMinute;
use crate::domain::{ChallengeId, Difficulty, Locale, PersonaName};

/// Which tips to have written, and how.
#[derive(Clone, Debug)]
pub struct GeneratePlan {
    /// Of which challenges.
    pub scope: Scope,
    /// In which language.
    pub locale: Locale,
    /// In which persona.
    pub persona: PersonaName,
    /// Also those of which a current one is kept.
    pub refresh: bool,
    /// How fast.
    pub pace: TipsPerMinute,
    /// Only tell what would be done.
    pub validate_only: bool,
    /// The most that may be spent, in millionths of a US dollar; `None` for the daily budget alone.
    pub budget_micro_usd: Option<u64>,
}

/// Some challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Challenges(Vec<ChallengeId>),
    /// All of a difficulty.
    Difficulty(Difficulty),
    /// All.
    All,
}
