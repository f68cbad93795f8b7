//! Why a call failed, whatever the technology that failed it.
use std::{error::Error as StdError, fmt, time::Duration};

use super::{
    ControlKind, EditRefusal, Environment, Etag, FieldViolation, FieldViolations, Version,
    words::words,
};

words! {
    /// What only one in the fleet does at a time.
    pub enum FleetTask {
        /// Filling the caches.
        Warming = "warming",
        /// Having tips written for an operator.
        Generating = "a run that generates tips",
    }
}

/// Why a call cannot be answered for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailability {
    /// The database cannot be reached and no copy is at hand.
    #[error("the catalog's database cannot be reached")]
    Datastore,
    /// The database answers, and refuses to be changed: its disk is full, say. Nothing was changed.
    #[error("the catalog's database takes no changes: its disk is full, or it is read-only")]
    TakesNoWrites,
    /// The database does not answer, so it is not known whether anything was invalidated.
    #[error(
        "the catalog's database does not answer, so nothing may have been invalidated; try again"
    )]
    NothingInvalidated,
    /// The database cannot be reached, so nothing was invalidated but what the near cache of this
    /// replica had of it: the number of entries that were dropped.
    #[error(
        "the catalog's database does not answer, so nothing may have been invalidated but {0} entries \
        in the near cache of this replica, which were dropped; try again"
    )]
    InvalidatedHereOnly(u64),
    /// The invalidation is committed, and the database cannot be reached to tell who has applied it. A hard one dropped
    /// this number of entries from the near cache of this replica.
    #[error(
        "the invalidation is committed, but the catalog's database cannot be reached any more to tell which \
        replicas have applied it{}; try again",
        dropped(*.0)
    )]
    InvalidationUnproven(Option<u64>),
    /// This replica did not reach the version asked for.
    #[error("version {0} was not reached in time")]
    VersionNotReached(Version),
    /// This replica has all the calls in hand that it may have.
    #[error("this replica has too many calls in hand")]
    Overloaded,
    /// No provider writes tips, and nothing may stand in for them.
    #[error("no provider writes tips right now")]
    TipsProvider,
    /// The database was lost while it committed: it may have done so, or not.
    #[error(
        "the database was lost while it committed, so whether the change was made is not known: make the call again \
        with the same request_id, or read before you repeat it"
    )]
    OutcomeUnknown,
}

/// Why a call failed. `Display` never repeats the source; whoever logs, logs the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong; all of them are named.
    #[error("{}", first(.0, "; "))]
    Invalid(Vec<FieldViolation>),
    /// The page token is damaged, or belongs to another list.
    #[error("page_token: {0}")]
    InvalidPageToken(&'static str),
    /// The database was asked, and has none of these.
    #[error("no such {kind}: {}", first(.ids, ", "))]
    NotFound {
        /// What was looked for, such as `challenge`.
        kind: &'static str,
        /// The names that led nowhere.
        ids: Vec<String>,
    },
    /// There is no flag or setting of this name.
    #[error("no such {}: {name}; there are {}", .kind.as_str(), .known.join(", "))]
    UnknownControl {
        /// What was looked for.
        kind: ControlKind,
        /// The name that led nowhere.
        name: String,
        /// Those that lead somewhere.
        known: Vec<&'static str>,
    },
    /// What was to be changed is not what the caller saw.
    #[error("it was changed since: read it again, and decide anew")]
    EtagMismatch {
        /// Names what it is now.
        current: Etag,
    },
    /// The one row of this name is for another environment.
    #[error(
        "its row is for environment {0}: name that environment; a change that names another, or {all}, moves it there",
        all = Environment::ALL
    )]
    OtherEnvironment(Environment),
    /// There is no such cache tag.
    #[error("no such tag: {0}")]
    UnknownTag(String),
    /// The edit cannot be made as asked; nothing was changed.
    #[error("{0}")]
    Refused(EditRefusal),
    /// The database does not let this service make the edit; nothing was changed.
    #[error(
        "the database does not let this service make the edit: its operators must give it the rights"
    )]
    EditForbidden {
        /// What the technology said; never shown to callers.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The task runs already, here or on another replica.
    #[error("{0} is under way already")]
    UnderWay(FleetTask),
    /// No provider is set up that could write tips, and none will be by itself.
    #[error(
        "no provider of tips is set up: set ANTHROPIC_API_KEY, or CATALOG_OPENAI_BASE_URL and CATALOG_OPENAI_MODEL, \
         and start the server again"
    )]
    NoTipsProvider,
    /// A dependency or the server itself cannot answer now.
    #[error("{why}")]
    Unavailable {
        /// What is missing.
        why: Unavailability,
        /// When it is worth another try.
        retry_after: Duration,
        /// What the technology said; never shown to callers.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The caller has or asks for more than it may.
    #[error("too many {what}")]
    Exhausted {
        /// Of what, such as `tip streams at once`.
        what: &'static str,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// A provider was asked, and what it wrote or would not write cannot be given.
    #[error("no tip could be written for this challenge")]
    Declined,
    /// The time for this call is over.
    #[error("deadline exceeded")]
    DeadlineExceeded,
    /// A fault of ours.
    #[error("internal error: {context}")]
    Internal {
        /// What was being done; for the log, never shown to callers.
        context: &'static str,
        /// What went wrong; never shown to callers.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

impl Error {
    /// One field of the request is wrong.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldViolation::new(field, problem)])
    }

    /// Nobody can answer right now, by no fault of any technology.
    #[must_use]
    pub const fn unavailable(why: Unavailability, retry_after: Duration) -> Self {
        Self::Unavailable {
            why,
            retry_after,
            source: None,
        }
    }

    /// The database did not answer, or not in time.
    pub fn datastore(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::lost(Unavailability::Datastore, source.into())
    }

    /// This replica has more to do than it can do in time.
    #[must_use]
    pub const fn overloaded() -> Self {
        Self::Unavailable {
            why: Unavailability::Overloaded,
            retry_after: Duration::from_millis(100),
            source: None,
        }
    }

    /// Whether it is this replica that has too much to do.
    #[must_use]
    pub const fn is_overload(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                why: Unavailability::Overloaded,
                ..
            }
        )
    }

    /// There are no challenges of these ids.
    pub fn no_challenges(ids: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self::NotFound {
            kind: "challenge",
            ids: ids.into_iter().map(|id| id.to_string()).collect(),
        }
    }

    /// Whether the database committed is not known.
    pub fn outcome_unknown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::lost(Unavailability::OutcomeUnknown, source.into())
    }

    /// The database answers, and refuses to be changed.
    pub fn takes_no_writes(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::lost(Unavailability::TakesNoWrites, source.into())
    }

    fn lost(why: Unavailability, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::Unavailable {
            why,
            retry_after: Duration::from_secs(1),
            source: Some(source),
        }
    }

    /// Whether a change was made is not known.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                why: Unavailability::OutcomeUnknown,
                ..
            }
        )
    }

    /// A fault of ours while doing `context`, and nothing that caused it.
    #[must_use]
    pub const fn fault(context: &'static str) -> Self {
        Self::Internal {
            context,
            source: None,
        }
    }

    /// A fault of ours while doing `context`.
    pub fn internal(
        context: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            context,
            source: Some(source.into()),
        }
    }
}

fn dropped(entries: Option<u64>) -> String {
    entries.map_or_else(String::new, |entries| {
        format!("; {entries} entries in the near cache of this replica were dropped")
    })
}

/// As many names or problems as one error tells; how many more there are is told behind them.
pub const NAMED_MAX: usize = 20;

fn first<T: ToString>(all: &[T], between: &str) -> String {
    let named: Vec<_> = all
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let named = named.join(between);
    match all.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}{between}and {more} more"),
    }
}

impl From<FieldViolations> for Error {
    fn from(violations: FieldViolations) -> Self {
        Self::Invalid(violations.into())
    }
}
