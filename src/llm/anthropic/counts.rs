//! Token counts as Anthropic's protocol gives them.
use serde_json::Value;

use crate::llm::json::count;

/// Tokens, counted from the start of the message; any may be missing, or be no number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// All that was read: what the provider's cache took and gave is counted apart.
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
}

impl Counts {
    /// What a message, or an event, says under `usage`.
    pub(super) fn of(message: &Value) -> Self {
        let Some(usage) = message.get("usage") else {
            return Self::default();
        };
        let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
        let cached = cached.into_iter().filter_map(|name| count(usage, name));
        let cached = cached.fold(0, u64::saturating_add);
        let fresh = count(usage, "input_tokens");
        Self {
            input: fresh.map(|fresh| fresh.saturating_add(cached)),
            output: count(usage, "output_tokens"),
        }
    }
}
