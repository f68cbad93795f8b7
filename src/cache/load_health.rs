//! Whether reads of the database work, apart from the polls that tell of changes: a right that was
//! revoked, or a column that has another name, ends reads while polls go on.
use std::error::Error as _;

use super::key::ReadKey;
use crate::{
    domain::Error,
    telemetry::{Failing, FailureLog},
};

/// How the last reads of lists and of challenges went. The two are told apart, because what keeps one
/// of them from working need not concern the other.
#[derive(Debug, Default)]
pub(super) struct LoadHealth {
    lists: FailureLog,
    challenges: FailureLog,
}

impl LoadHealth {
    /// True as long as the last read of either kind failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lists.is_failing() || self.challenges.is_failing()
    }

    /// Takes in how a read of `key` went; logs when reads begin to fail, and when they work again.
    pub(super) fn note<T>(&self, key: &ReadKey, read: &Result<T, Error>) {
        let (kind, what) = match key {
            ReadKey::List(_) => (&self.lists, "lists"),
            ReadKey::Challenge(_) | ReadKey::Subject(_) => (&self.challenges, "challenges"),
        };
        match read {
            Err(error) => {
                if let Some(Failing { failures, lasted }) = kind.failed() {
                    let cause = error.source().map(ToString::to_string);
                    tracing::error!(
                        component = "database", what, %error, cause, failures, ?lasted,
                        "reads of the database fail; copies are served, marked stale, where there are any"
                    );
                }
            }
            Ok(_) => {
                if let Some(Failing { failures, lasted }) = kind.worked() {
                    tracing::info!(
                        component = "database",
                        what,
                        failures,
                        ?lasted,
                        "reads of the database work again"
                    );
                }
            }
        }
    }
}
