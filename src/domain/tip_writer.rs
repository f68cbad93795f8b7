//! The port to a provider that writes one tip.
use std::time::Duration;

use futures_util::stream::BoxStream;

use super::{Locale, PersonaName, Stop, TipSubject, Usage, words::words};

/// The prompt for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Who speaks, and how.
    pub system: String,
    /// What about; the challenge's own text stands in a block of its own.
    pub user: String,
}

/// Words the prompts.
pub trait PromptBook: Send + Sync {
    /// Names the wording: changes whenever any prompt would.
    fn prompt_version(&self) -> &str;

    /// The personas there are; the first is the default.
    fn personas(&self) -> &[PersonaName];

    /// The prompt for a tip in a language and a persona. A persona that the book lacks is the default.
    fn prompt(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> Prompt;
}

/// Which provider writes, with what, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The protocol's name: `anthropic` or `openai`.
    pub provider: String,
    /// The model, as the provider names it.
    pub model: String,
    /// 0 to 2, in thousandths.
    pub temperature_milli: u32,
    /// The provider stops here.
    pub max_output_tokens: u32,
}

/// One thing that happens while a tip is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The provider accepted the request and reports the tokens read so far. It may come, once, before any text.
    Accepted {
        /// The provider's name for the attempt, for its support.
        attempt_id: Option<String>,
        /// What it cost so far.
        usage: Usage,
    },
    /// More text, never empty.
    Text(String),
    /// All text so far turned out to be none of the tip: readers are to forget it.
    TakenBack,
    /// A sign of life without text.
    Alive,
    /// The verified end; nothing follows.
    Ended(Completion),
}

/// How a tip ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Why the provider stopped.
    pub stop: Stop,
    /// What it all cost.
    pub usage: Usage,
    /// The model that wrote, as the provider named it.
    pub model: String,
}

/// Writes tips: one provider with one model.
pub trait TipWriter: Send + Sync {
    /// Who writes.
    fn route(&self) -> &Route;

    /// Makes one attempt and never a second. The stream ends with [`StreamEvent::Ended`] or with the
    /// one error. Every wait in it has a limit. Dropping it ends the attempt at the provider.
    fn write(&self, prompt: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>>;
}

/// Why an attempt brought no tip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .kind.as_str(), after_colon(.detail))]
pub struct WriteFailure {
    /// What went wrong.
    pub kind: FailureKind,
    /// When the provider said that another try is worth it.
    pub retry_after: Option<Duration>,
    /// The provider's own word on whether to try again; it wins over ours.
    pub should_retry: Option<bool>,
    /// The provider's name for the attempt.
    pub attempt_id: Option<String>,
    /// What the attempt cost, as far as it is known or can be guessed.
    pub usage: Usage,
    /// For the log: without keys, prompts or the tip's text; at most 200 bytes.
    pub detail: String,
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

words! {
    /// What went wrong with an attempt.
    pub enum FailureKind {
        /// No connection, or it broke before an answer began.
        Connect = "connect",
        /// The answer, its first text, or the next byte did not come in time; or 408, our request did not.
        TooSlow = "too_slow",
        /// 429: too many calls, or too many tokens.
        RateLimited = "rate_limited",
        /// The money is spent; waiting does not help.
        SpendLimit = "spend_limit",
        /// 503 or 529, or the like reported within the stream.
        Overloaded = "overloaded",
        /// 409 or another 5xx, or the like reported within the stream.
        ServerFault = "server_fault",
        /// 400, 413 or another 4xx: this request is wrong.
        Rejected = "rejected",
        /// 404: the model, or the address of requests, is not there.
        NotFound = "not_found",
        /// 401 or 403: our credentials are wrong.
        Denied = "denied",
        /// The stream ended before its end.
        Truncated = "truncated",
        /// The answer is not what the protocol says: HTML, bad JSON, bad UTF-8, too long a line, a redirect.
        Malformed = "malformed",
        /// The model declined to write.
        Refused = "refused",
        /// It ended well, with nothing in it.
        Empty = "empty",
        /// It was cut off by the limit of tokens, or grew beyond the cap of bytes.
        CutOff = "cut_off",
    }
}

/// What an attempt says about the health of its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerSignal {
    /// The provider failed.
    Failure,
    /// It says nothing: the fault was ours, or a limit was met.
    Neutral,
}

impl FailureKind {
    /// What a circuit breaker makes of it.
    #[must_use]
    pub const fn breaker_signal(self) -> BreakerSignal {
        match self {
            Self::Connect
            | Self::TooSlow
            | Self::Overloaded
            | Self::ServerFault
            | Self::Truncated
            | Self::Malformed
            | Self::Empty => BreakerSignal::Failure,
            Self::RateLimited
            | Self::SpendLimit
            | Self::Rejected
            | Self::NotFound
            | Self::Denied
            | Self::Refused
            | Self::CutOff => BreakerSignal::Neutral,
        }
    }

    /// Whether the same request may succeed with the same provider a little later.
    #[must_use]
    pub const fn is_worth_retrying(self) -> bool {
        match self {
            Self::Connect
            | Self::TooSlow
            | Self::RateLimited
            | Self::Overloaded
            | Self::ServerFault
            | Self::Truncated
            | Self::Malformed
            | Self::Empty => true,
            Self::SpendLimit
            | Self::Rejected
            | Self::NotFound
            | Self::Denied
            | Self::Refused
            | Self::CutOff => false,
        }
    }
}

impl WriteFailure {
    /// A failure of which no more is known.
    #[must_use]
    pub fn new(kind: FailureKind) -> Self {
        Self {
            kind,
            retry_after: None,
            should_retry: None,
            attempt_id: None,
            usage: Usage::default(),
            detail: String::new(),
        }
    }

    /// Whether the same provider may be asked again.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        self.should_retry
            .unwrap_or_else(|| self.kind.is_worth_retrying())
    }
}
