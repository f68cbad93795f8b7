//! Reads of the database for the caches: a bounded number at once, each with a time limit.
//!
//! Whether they work is noted here, apart from the polls of the feed: a revoked right or a renamed column ends
//! reads while polls go on.
use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    entry::ReadKey,
    read_queue::{NoTurn, ReadQueue},
};
use crate::{
    domain::{AnswerEncoder, ChallengeId, ChallengeRepository, Error, ListQuery, Stamped},
    telemetry::{Failing, FailureLog},
};

/// The commit that a read saw, and a body for each key; `None` where the database has nothing.
pub(super) type Bodies = Stamped<Vec<Option<Bytes>>>;

/// A read that takes longer has failed; every caller may have given up sooner.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads bodies from the database.
pub(super) struct DatabaseReader {
    repository: Arc<dyn ChallengeRepository>,
    pub(super) encoder: Arc<dyn AnswerEncoder>,
    queue: ReadQueue,
    /// Reads of lists and of challenges are told apart: what breaks one of them need not concern the other.
    lists: FailureLog,
    challenges: FailureLog,
}

impl DatabaseReader {
    /// At most `concurrency` reads run at once.
    pub(super) fn new(
        repository: Arc<dyn ChallengeRepository>,
        encoder: Arc<dyn AnswerEncoder>,
        concurrency: usize,
    ) -> Self {
        Self {
            repository,
            encoder,
            queue: ReadQueue::new(concurrency),
            lists: FailureLog::default(),
            challenges: FailureLog::default(),
        }
    }

    /// Whether the last read of what `key` asks for, a list or a challenge, failed.
    pub(super) fn fails(&self, key: &ReadKey) -> bool {
        self.kind_of(key).0.is_failing()
    }

    /// True as long as the last read of lists, or of challenges, failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lists.is_failing() || self.challenges.is_failing()
    }

    /// Reads `keys`, which are one list or any number of challenges, in one statement, and tells when it was sent.
    /// A list's total is not counted again where it is given.
    pub(super) async fn read(
        &self,
        keys: &[&ReadKey],
        total_count: Option<u64>,
    ) -> (Instant, Result<Bodies, Error>) {
        let turn = match self.queue.turn().await {
            Ok(turn) => turn,
            // While reads fail, that is why the queue is long.
            Err(NoTurn::Full) if !self.is_failing() => {
                return (Instant::now(), Err(Error::overloaded()));
            }
            Err(NoTurn::Full | NoTurn::Stuck) => {
                let stuck = Error::datastore("no read before this one was answered in time");
                return (Instant::now(), Err(stuck));
            }
        };
        let read = timeout(READ_TIMEOUT, self.bodies(keys, total_count)).await;
        let read = read.unwrap_or_else(|_| Err(Error::datastore("the read timed out")));
        if let Some(key) = keys.first() {
            self.note(key, read.as_ref().err());
        }
        (turn.began, read)
    }

    /// The body of one key, read past all caches; the total of a list is taken from the `cached` body.
    pub(super) async fn read_again(
        &self,
        key: &ReadKey,
        cached: Option<&Bytes>,
    ) -> Result<Option<Bytes>, Error> {
        let total = cached.and_then(|body| self.encoder.total_count(body));
        let (_, read) = self.read(&[key], total).await;
        Ok(read?.value.into_iter().next().flatten())
    }

    async fn bodies(&self, keys: &[&ReadKey], total_count: Option<u64>) -> Result<Bodies, Error> {
        if let Some(query) = keys.iter().find_map(|key| as_list(key)) {
            let page = self.repository.read_page(query, total_count).await?;
            return Ok(Stamped {
                version: page.version,
                value: vec![Some(self.encoder.page(query, &page.value))],
            });
        }
        let ids: Vec<ChallengeId> = keys.iter().filter_map(|key| about(key)).collect();
        let found = self.repository.find_many(&ids).await?;
        let body = |key: &&ReadKey| {
            let id = about(key)?;
            let challenge = found.value.iter().find(|challenge| challenge.id == id)?;
            Some(match key {
                ReadKey::Subject(_) => self.encoder.subject(&challenge.into()),
                ReadKey::Challenge(_) | ReadKey::List(_) => self.encoder.challenge(challenge),
            })
        };
        Ok(Stamped {
            version: found.version,
            value: keys.iter().map(body).collect(),
        })
    }

    fn kind_of(&self, key: &ReadKey) -> (&FailureLog, &'static str) {
        match key {
            ReadKey::List(_) => (&self.lists, "lists"),
            ReadKey::Challenge(_) | ReadKey::Subject(_) => (&self.challenges, "challenges"),
        }
    }

    /// Logs when reads of this kind begin to fail, and when they work again.
    fn note(&self, key: &ReadKey, error: Option<&Error>) {
        let (kind, what) = self.kind_of(key);
        if let Some(error) = error {
            if let Some(Failing { failures, lasted }) = kind.failed() {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(
                    component = "database", what, %error, cause, failures, ?lasted,
                    "reads of the database fail; cached copies are served, marked stale, or refused if stale_while_unavailable is off"
                );
            }
        } else if let Some(Failing { failures, lasted }) = kind.worked() {
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

fn as_list(key: &ReadKey) -> Option<&ListQuery> {
    match key {
        ReadKey::List(query) => Some(query),
        ReadKey::Challenge(_) | ReadKey::Subject(_) => None,
    }
}

/// The one challenge that the answer is about.
fn about(key: &ReadKey) -> Option<ChallengeId> {
    match key {
        ReadKey::Challenge(id) | ReadKey::Subject(id) => Some(*id),
        ReadKey::List(_) => None,
    }
}
