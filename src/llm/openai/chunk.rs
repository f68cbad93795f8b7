use serde::Deserialize;
use serde_json::Value;

/// One event, as far as a tip needs it. Servers leave out, or send as null, whatever they like.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Counts>,
    pub(super) error: Option<Value>,
}

impl Chunk {
    /// The one answer that was asked for; some events have none.
    pub(super) fn into_choice(self) -> Option<Choice> {
        let mut choices = self.choices.unwrap_or_default().into_iter();
        choices.find(|choice| choice.index.unwrap_or(0) == 0)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    index: Option<u64>,
    pub(super) delta: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    pub(super) content: Option<String>,
    /// Why the model declines; comes in place of content.
    pub(super) refusal: Option<String>,
}

/// Tokens of the whole answer; any may be missing.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}
