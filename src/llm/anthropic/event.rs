use serde::Deserialize;
use serde_json::Value;

/// An event, as far as a tip needs it. Types that are not listed are to be ignored: new ones are
/// added without a new version of the protocol.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    MessageDelta {
        delta: Close,
        usage: Option<Counts>,
    },
    MessageStop,
    Error {
        error: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Counts>,
}

/// A block of the answer; only one of text has a beginning that matters.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    #[serde(other)]
    Other,
}

/// What is added to a block; thoughts, signatures and calls of tools are not for the reader.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Delta {
    TextDelta {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Close {
    pub(super) stop_reason: Option<String>,
}

/// Tokens, counted from the start of the message; any may be missing or null.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Counts {
    #[serde(rename = "input_tokens")]
    fresh_input: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cached_input: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    remembered_input: Option<u64>,
    #[serde(rename = "output_tokens")]
    pub(super) output: Option<u64>,
}

impl Counts {
    /// All that was read: what the provider's cache took and gave is counted apart.
    pub(super) fn input(&self) -> Option<u64> {
        let cached = [self.cached_input, self.remembered_input];
        let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
        self.fresh_input.map(|fresh| fresh.saturating_add(cached))
    }
}
