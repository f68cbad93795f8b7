//! Reads of the catalog.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::domain::{
    Answer, CatalogReader, ChallengeId, Error, Freshness, ListQuery, ReadOptions, TipSubject,
    Unavailability, Version,
};

/// When it may be worth to ask again for a challenge that an old copy says is absent.
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
        Some(all_there(ids, answers.iter().map(said)).map(|()| answers))
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
        all_there(ids, answers.iter().map(said))?;
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
        let said = |(subject, freshness): &(Option<_>, _)| (subject.is_some(), *freshness);
        all_there(ids, found.iter().map(said))?;
        let subjects = found
            .into_iter()
            .filter_map(|(subject, freshness)| Some((subject?, freshness)));
        Ok(subjects.collect())
    }
}

/// Whether something is there, and how well that is known.
fn said(answer: &Answer) -> (bool, Freshness) {
    (answer.body.is_some(), answer.freshness)
}

/// Refuses when any of `ids` is absent, by what is said of each.
fn all_there(
    ids: &[ChallengeId],
    said: impl Iterator<Item = (bool, Freshness)> + Clone,
) -> Result<(), Error> {
    let absent = ids.iter().zip(said).filter(|(_, (is_there, _))| !is_there);
    // "There is none" carries no label, so it must not rest on a copy that would need one.
    if absent.clone().any(|(_, (_, freshness))| freshness.stale) {
        return Err(Error::Unavailable {
            why: Unavailability::Datastore,
            retry_after: RETRY_AFTER,
            source: None,
        });
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
