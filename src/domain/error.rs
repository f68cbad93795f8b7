//! Why a call failed, whatever the technology that failed it.
use std::{error::Error as StdError, fmt, time::Duration};

use super::{
    ControlKind, EditRefusal, Environment, Etag, FieldViolation, FieldViolations, Version,
};

/// What only one in the fleet does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetTask {
    /// Filling the caches.
    Warming,
    /// Having tips written for an operator.
    Generating,
}

/// Why a call cannot be answered for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailability {
    /// The database cannot be reached and no copy is at hand.
    Datastore,
    /// The database does not answer, so it is not known whether anything was invalidated.
    NothingInvalidated,
    /// The database cannot be reached, so nothing was invalidated but what the near cache of this
    /// replica had of it: the number of entries that were dropped.
    InvalidatedHereOnly(u64),
    /// The invalidation is committed, and the database cannot be reached to tell who has applied it. A hard one dropped
    /// this number of entries from the near cache of this replica.
    InvalidationUnproven(Option<u64>),
    /// This replica did not reach the version asked for.
    VersionNotReached(Version),
    /// This replica has all the calls in hand that it may have.
    Overloaded,
    /// No provider writes tips, and nothing may stand in for them.
    TipsProvider,
    /// The database was lost while it committed: it may have done so, or not.
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
    #[error("{} under way already", chore(*.0))]
    UnderWay(FleetTask),
    /// No provider is set up that could write tips, and none will be by itself.
    #[error(
        "no provider of tips is set up: set ANTHROPIC_API_KEY, or CATALOG_OPENAI_BASE_URL and CATALOG_OPENAI_MODEL, \
         and start the server again"
    )]
    NoTipsProvider,
    /// A dependency or the server itself cannot answer now.
    #[error("{}", unavailable(*.why))]
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
    /// The database did not answer, or not in time.
    pub fn datastore(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable {
            why: Unavailability::Datastore,
            retry_after: Duration::from_secs(1),
            source: Some(source.into()),
        }
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
        Self::Unavailable {
            why: Unavailability::OutcomeUnknown,
            retry_after: Duration::from_secs(1),
            source: Some(source.into()),
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

fn chore(chore: FleetTask) -> &'static str {
    match chore {
        FleetTask::Warming => "warming is",
        FleetTask::Generating => "a run that generates tips is",
    }
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

fn unavailable(why: Unavailability) -> String {
    match why {
        Unavailability::Datastore => "the catalog's database cannot be reached".to_owned(),
        Unavailability::NothingInvalidated => {
            "the catalog's database does not answer, so nothing may have been invalidated; try again"
                .to_owned()
        }
        Unavailability::InvalidatedHereOnly(entries) => format!(
            "the catalog's database does not answer, so nothing may have been invalidated but {entries} entries \
             in the near cache of this replica, which were dropped; try again"
        ),
        Unavailability::InvalidationUnproven(dropped) => {
            let dropped = dropped.map_or_else(String::new, |entries| {
                format!("; {entries} entries in the near cache of this replica were dropped")
            });
            format!(
                "the invalidation is committed, but the catalog's database cannot be reached any more to tell which \
                 replicas have applied it{dropped}; try again"
            )
        }
        Unavailability::VersionNotReached(version) => {
            format!("version {version} was not reached in time")
        }
        Unavailability::Overloaded => "this replica has too many calls in hand".to_owned(),
        Unavailability::TipsProvider => "no provider writes tips right now".to_owned(),
        Unavailability::OutcomeUnknown => {
            "the database was lost while it committed, so whether the \
             change was made is not known: make the call again with the same request_id, or read \
             before you repeat it"
                .to_owned()
        }
    }
}

impl From<FieldViolations> for Error {
    fn from(violations: FieldViolations) -> Self {
        Self::Invalid(violations.into())
    }
}
