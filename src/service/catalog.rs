//! Use cases that read challenges. Guarantee: a challenge is reported as not found only if the answer is fresh.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::domain::{
    Answer, CatalogReader, ChallengeId, Error, Freshness, ListQuery, ReadOptions, TipSubject,
    Unavailability, Version,
};

/// After this a call may be repeated that failed because only a stale entry says that the challenge is absent.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Reads of the catalog.
#[derive(Clone)]
pub struct CatalogService {
    catalog: Arc<dyn CatalogReader>,
}

impl CatalogService {
    /// Reads from `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<dyn CatalogReader>) -> Self {
        Self { catalog }
    }

    /// What [`Self::list`] would answer, when it is cached and nothing need be waited for.
    #[must_use]
    pub fn try_list_cached(
        &self,
        query: &ListQuery,
        min_version: Option<Version>,
    ) -> Option<Answer> {
        self.catalog.try_list_cached(query, min_version)
    }

    /// What [`Self::get_many`] would answer, when it is cached and nothing need be waited for.
    #[must_use]
    pub fn try_many_cached(
        &self,
        ids: &[ChallengeId],
        min_version: Option<Version>,
    ) -> Option<Result<Vec<Answer>, Error>> {
        let answers = self.catalog.try_many_cached(ids, min_version)?;
        Some(require_all_found(ids, answers.iter().map(presence)).map(|()| answers))
    }

    /// Waits until this replica knows `version`.
    ///
    /// # Errors
    ///
    /// As [`CatalogReader::reach`].
    pub async fn reach(&self, version: Version, deadline: Instant) -> Result<(), Error> {
        self.catalog.reach(version, deadline).await
    }

    /// One page of challenges.
    ///
    /// # Errors
    ///
    /// As [`CatalogReader::list`].
    pub async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error> {
        self.catalog.list(query, options).await
    }

    /// An answer for every one of `ids`, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] naming all that do not exist; else as [`CatalogReader::get_many`].
    pub async fn get_many(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<Answer>, Error> {
        let answers = self.catalog.get_many(ids, options).await?;
        require_all_found(ids, answers.iter().map(presence))?;
        Ok(answers)
    }

    /// What a tip about each of `ids` is written from, in their order, and how old that can be.
    ///
    /// # Errors
    ///
    /// As [`Self::get_many`].
    pub async fn tip_subjects(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<(TipSubject, Freshness)>, Error> {
        let found = self.catalog.subjects(ids, options).await?;
        let presence = |(subject, freshness): &(Option<_>, _)| (subject.is_some(), *freshness);
        require_all_found(ids, found.iter().map(presence))?;
        let subjects = found
            .into_iter()
            .filter_map(|(subject, freshness)| Some((subject?, freshness)));
        Ok(subjects.collect())
    }
}

/// Whether the challenge exists, and how fresh that answer is.
fn presence(answer: &Answer) -> (bool, Freshness) {
    (answer.body.is_some(), answer.freshness)
}

/// Fails if any of `ids` does not exist; `found` says for each whether it exists, and how fresh that is.
fn require_all_found(
    ids: &[ChallengeId],
    found: impl Iterator<Item = (bool, Freshness)> + Clone,
) -> Result<(), Error> {
    let absent = ids.iter().zip(found).filter(|(_, (is_there, _))| !is_there);
    // NOT_FOUND cannot be marked stale, so it is never derived from a stale entry.
    if absent.clone().any(|(_, (_, freshness))| freshness.stale) {
        return Err(Error::unavailable(Unavailability::Datastore, RETRY_AFTER));
    }
    let mut absent = absent.map(|(id, _)| *id).peekable();
    if absent.peek().is_none() {
        Ok(())
    } else {
        Err(Error::no_challenges(absent))
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::domain::{DatabaseId, Etag, Source, Stamp};

    /// Has a copy that says that there is nothing.
    struct NothingThere {
        stale: bool,
    }

    #[async_trait]
    impl CatalogReader for NothingThere {
        fn try_list_cached(&self, _: &ListQuery, _: Option<Version>) -> Option<Answer> {
            None
        }

        fn try_many_cached(&self, _: &[ChallengeId], _: Option<Version>) -> Option<Vec<Answer>> {
            None
        }

        async fn reach(&self, _: Version, _: Instant) -> Result<(), Error> {
            unreachable!()
        }

        async fn list(&self, _: &ListQuery, _: ReadOptions) -> Result<Answer, Error> {
            Err(Error::DeadlineExceeded)
        }

        async fn get_many(&self, _: &[ChallengeId], _: ReadOptions) -> Result<Vec<Answer>, Error> {
            Ok(vec![Answer {
                body: None,
                deflated: None,
                json: None,
                etag: Etag([0; 8]),
                expires_at: None,
                freshness: self.freshness(),
            }])
        }

        async fn subjects(
            &self,
            _: &[ChallengeId],
            _: ReadOptions,
        ) -> Result<Vec<(Option<TipSubject>, Freshness)>, Error> {
            Ok(vec![(None, self.freshness())])
        }
    }

    impl NothingThere {
        fn freshness(&self) -> Freshness {
            Freshness {
                version: Version {
                    database: DatabaseId(1),
                    stamp: Stamp::default(),
                },
                source: Source::NearCache,
                stale: self.stale,
                staleness_bound: Duration::ZERO,
            }
        }
    }

    #[tokio::test]
    async fn only_a_copy_that_is_fresh_can_say_that_there_is_nothing() {
        let id = ChallengeId::from(uuid::Uuid::nil());
        for (stale, is_not_found) in [(false, true), (true, false)] {
            let service = CatalogService::new(Arc::new(NothingThere { stale }));
            let options = ReadOptions {
                min_version: None,
                deadline: std::time::Instant::now(),
                may_load: true,
            };
            for error in [
                service.get_many(&[id], options).await.unwrap_err(),
                service.tip_subjects(&[id], options).await.unwrap_err(),
            ] {
                let not_found = matches!(error, Error::NotFound { .. });
                assert_eq!(not_found, is_not_found, "{error}");
            }
        }
    }
}
