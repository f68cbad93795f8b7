//! The port by which operators resume providers.
use std::time::Duration;

use async_trait::async_trait;

/// The providers, for operators.
#[async_trait]
pub trait TipProviders: Send + Sync {
    /// Sends requests to every provider again, whatever stopped them: a pause that it asked for, or
    /// its circuit breaker.
    async fn resume(&self) -> Resumed;
}

/// What was resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Every provider, in the order in which they are tried.
    pub providers: Vec<ResumedProvider>,
    /// Whether all replicas do the same; otherwise only the one that was asked does.
    pub is_fleet_wide: bool,
}

/// How a provider stood before, as far as this replica knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumedProvider {
    /// The protocol's name.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether its circuit breaker was open: it failed, or refused all requests.
    pub was_left_alone: bool,
    /// What was left of a pause that it had asked for.
    pub pause_left: Duration,
}
