//! A stream of a tip: the request, its events, and the port that serves it.
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use ring::digest::{SHA256, digest};

use super::{
    Epoch, Error, FailureKind, Locale, PersonaName, RunBudget, Stop, Tip, TipKey, TipSubject,
    UnixMicros, Usage, words::words,
};

/// The identity of a caller, as far as limits are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(pub String);

impl CallerId {
    const NAME_MAX_BYTES: usize = 128;
    /// What a name must be by which a caller may be known, in bytes of ASCII.
    pub const NAME_RULE: &'static str = "must be 1 to 128 letters, digits and -_.:/+=@";

    /// Whether a caller may be known by this name.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let is_ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
        (1..=Self::NAME_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_ordinary)
    }

    /// A name like `text`, in which each byte that may not stand in a name is `=` and two digits. Of a text that is too
    /// long, it is the beginning, `==` and a hash: no two texts have one name.
    #[must_use]
    pub fn name_like(text: &str) -> String {
        const HASH_BYTES: usize = 16;
        let byte = |byte: u8| {
            let own = char::from(byte).to_string();
            if Self::is_name(&own) && byte != b'=' {
                own
            } else {
                format!("={byte:02X}")
            }
        };
        let mut name: String = text.bytes().map(byte).collect();
        if name.len() > Self::NAME_MAX_BYTES {
            name.truncate(Self::NAME_MAX_BYTES - 2 - 2 * HASH_BYTES);
            name.push_str("==");
            let hash = digest(&SHA256, text.as_bytes());
            let digits = hash.as_ref().iter().take(HASH_BYTES);
            name.extend(digits.map(|byte| format!("{byte:02x}")));
        }
        name
    }
}

/// Who requests a tip: decides whose limits hold and which budget pays.
#[derive(Clone, Debug)]
pub enum Asker {
    /// One of many callers, with limits for each, and for all that come from one address.
    Caller(CallerId, Option<IpAddr>),
    /// A run that an operator started. It paces itself, and its budget pays.
    Run(Arc<RunBudget>),
}

/// How much a caller wants of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TipMode {
    /// A current tip: one that is kept, or one that is written now.
    #[default]
    Default,
    /// What is there already; nothing is written for this caller.
    CachedOnly,
    /// A tip that is written now, whatever is kept.
    Refresh,
}

/// How far a reader is, so that it need not read again what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The tip that it reads.
    pub key: TipKey,
    /// Which generation of it.
    pub epoch: Epoch,
    /// How many bytes of text it has.
    pub offset: u64,
    /// The first 8 bytes of the SHA-256 of that text.
    pub prefix_hash: [u8; 8],
}

/// A question for a tip.
#[derive(Clone, Debug)]
pub struct TipRequest {
    /// What about.
    pub subject: TipSubject,
    /// In which language.
    pub locale: Locale,
    /// In which persona; one that the prompts lack is their default.
    pub persona: PersonaName,
    /// At what cost.
    pub mode: TipMode,
    /// Rather an error than a tip that a person wrote.
    pub no_static_fallback: bool,
    /// Where an earlier stream was left. One that does not fit costs a [`TipEventKind::Reset`].
    pub resume: Option<ResumePoint>,
    /// Send a heartbeat when no other event came for this long; less than 100 ms counts as 100 ms.
    pub heartbeat: Option<Duration>,
    /// Who asks.
    pub asker: Asker,
    /// When the caller stops waiting. It ends this stream only.
    pub deadline: Instant,
}

words! {
    /// What a reader is to the generation that it reads.
    pub enum TipRole {
        /// The first here, at the replica that has the text written.
        Leader = "leader",
        /// It reads along.
        Follower = "follower",
        /// The text was there.
        Replay = "replay",
    }

    /// Where a text comes from.
    pub enum TipSource {
        /// A provider, now.
        Ai = "ai",
        /// A provider, before: it is current.
        Cache = "cache",
        /// A provider, before: for an older text or prompt, or past its time.
        Stale = "stale",
        /// A person.
        Static = "static",
    }

    /// Why text that was sent is void.
    pub enum ResetCause {
        /// The resume point does not fit the text.
        Resume = "resume",
        /// The provider failed with the text half written, or it was only its thoughts; it begins anew.
        Restart = "restart",
        /// The replica that had it written was lost; another one begins anew.
        Takeover = "takeover",
        /// No provider brings it to an end; another text takes its place.
        Fallback = "fallback",
    }

    /// What is being waited for.
    pub enum TipPhase {
        /// A turn.
        Queued = "queued",
        /// The provider's answer.
        Connecting = "connecting",
        /// More text.
        Generating = "generating",
    }
}

/// Why a text is not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FallbackCause {
    /// No provider is configured.
    NoProvider,
    /// The caller wanted none to be asked, and nothing current is kept.
    NotCached,
    /// The last attempt failed so.
    Provider(FailureKind),
    /// What was written violates the content policy for tips.
    Rules,
    /// The circuit breakers of all providers are open.
    Unwell,
    /// The providers are called as often as they may be.
    Limited,
    /// The day's money is spent.
    Budget,
    /// Time ran out.
    TimedOut,
    /// It failed a moment ago, and is not tried again yet.
    Recent,
    /// Nobody was left to read it, or this replica stops.
    Abandoned,
    /// Operators let no provider write for this caller.
    SwitchedOff,
}

impl FallbackCause {
    const PLAIN: [Self; 10] = [
        Self::NoProvider,
        Self::NotCached,
        Self::Rules,
        Self::Unwell,
        Self::Limited,
        Self::Budget,
        Self::TimedOut,
        Self::Recent,
        Self::Abandoned,
        Self::SwitchedOff,
    ];

    /// How many causes there are.
    pub const COUNT: usize = Self::PLAIN.len() + FailureKind::ALL.len();

    /// Every cause, always in the same order.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = FailureKind::ALL.into_iter().map(Self::Provider);
        Self::PLAIN.into_iter().chain(kinds)
    }

    /// The word for logs, metrics and other replicas.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider(kind) => kind.as_str(),
            Self::NoProvider => "no_provider",
            Self::NotCached => "not_cached",
            Self::Rules => "rules",
            Self::Unwell => "unwell",
            Self::Limited => "limited",
            Self::Budget => "budget",
            Self::TimedOut => "timed_out",
            Self::Recent => "recent",
            Self::Abandoned => "abandoned",
            Self::SwitchedOff => "switched_off",
        }
    }

    /// The cause of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::all().find(|cause| cause.as_str() == word)
    }
}

/// The end of a stream, and what the whole text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipDone {
    /// SHA-256 of the text since the last reset.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: u64,
    /// Where it comes from.
    pub source: TipSource,
    /// Why it is not what was asked for, if it is not.
    pub fallback: Option<FallbackCause>,
    /// When it is worth another try, if it is not what was asked for.
    pub retry_after: Option<Duration>,
    /// Why the provider stopped, if one wrote it.
    pub stop: Option<Stop>,
    /// What writing it cost, if a provider wrote it.
    pub usage: Option<Usage>,
    /// The model that wrote it, if one did.
    pub model: Option<String>,
    /// When it was finished, if a provider wrote it.
    pub created_at: Option<UnixMicros>,
}

/// What happens in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TipEventKind {
    /// The first event.
    Accepted {
        /// What this reader is to the text.
        role: TipRole,
        /// Where the text is to come from.
        source: TipSource,
    },
    /// More text, never empty.
    Delta {
        /// Whole characters.
        text: String,
    },
    /// What was read so far is void.
    Reset {
        /// Why.
        cause: ResetCause,
        /// Where the text that follows comes from.
        new_source: TipSource,
    },
    /// Nothing happened for the interval that was asked for.
    Heartbeat {
        /// Since the last event that was no heartbeat.
        waiting: Duration,
        /// What is being waited for.
        phase: TipPhase,
    },
    /// The end; nothing follows.
    Done(Box<TipDone>),
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipEvent {
    /// Where the reader is after this event: on a border of characters. The epoch is 0 for a
    /// text that a person wrote.
    pub at: ResumePoint,
    /// What happened.
    pub kind: TipEventKind,
}

/// Tips as they are written: one generation, many readers.
#[async_trait]
pub trait TipStreams: Send + Sync {
    /// The events of one tip, from [`TipEventKind::Accepted`] to [`TipEventKind::Done`].
    ///
    /// The one error that may end it instead is [`Error::DeadlineExceeded`],
    /// [`Error::Exhausted`] when the caller has or asks for too many streams, and for those who
    /// want no static fallback [`Error::Unavailable`], [`Error::NoTipsProvider`] or [`Error::Declined`].
    fn open(&self, request: TipRequest) -> BoxStream<'static, Result<TipEvent, Error>>;

    /// The tip that is current now, without having one written.
    async fn cached(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<Tip>;

    /// The most that one attempt to write this tip may cost, with the dearest provider, in
    /// millionths of a US dollar; `None` when nobody writes.
    fn most_cost(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_have_names_that_differ() {
        let long = "x".repeat(127);
        let texts = [
            "ann".to_owned(),
            "ann ".to_owned(),
            "ann=20".to_owned(),
            long.clone(),
            format!("{long}1"),
            format!("{long}12"),
            format!("{long}13"),
            "ü".repeat(21),
            "ü".repeat(22),
            "ü".repeat(23),
        ];
        let names = texts.map(|text| CallerId::name_like(&text));
        for (at, name) in names.iter().enumerate() {
            assert!(CallerId::is_name(name), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
        assert_eq!(names[1], "ann=20");
        assert_eq!(names[2], "ann=3D20");
    }

    #[test]
    fn every_cause_is_found_by_its_word() {
        for cause in FallbackCause::all() {
            assert_eq!(FallbackCause::named(cause.as_str()), Some(cause));
        }
    }
}
