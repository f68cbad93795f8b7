//! Deliberate faults of a replica, by which the checker proves that it would notice (`docs/consistency.md`). Each
//! changes what passes between the cache and one of its ports; the cache itself knows nothing of them.
//!
//! The feature `negative-controls` compiles this file into `cache`, and the composition root then puts the decorators
//! before the ports. `CATALOG_FAULT` names the fault that they commit.
#[path = "feed.rs"]
mod feed;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    CachedCatalog, InvalidationState,
    entry::{Content, ReadKey},
    shared::SharedLookup,
};
use crate::domain::{
    Answer, CatalogReader, Challenge, ChallengeId, ChallengePage, ChallengeRepository, Error, Etag,
    Freshness, ListQuery, NewChallenge, ReadOptions, Source, Stamp, Stamped, TipSubject, Version,
};

pub use feed::feed;

/// One deliberate fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A load is stamped with what is known after it instead of what it saw.
    StampAfterRead,
    /// What Redis holds counts as current.
    TrustShared,
    /// Changes that are no longer listed did not happen.
    IgnoreLost,
    /// Only notifications lead to a poll, and freshness does not end.
    NotifyOnly,
    /// A body that was served once stays valid.
    NearUnchecked,
    /// Freshness is a flag that a failed poll takes down, instead of an age.
    FlagFreshness,
    /// `min_version` is not looked at.
    IgnoreTicket,
    /// Everybody fills, whoever has the lease.
    IgnoreLease,
    /// What another replica tells counts as known, and is not applied.
    ForgetNews,
    /// A server that took over goes on in the history of before.
    IgnoreHistory,
}

static CHOSEN: LazyLock<Option<Fault>> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting of the product: this is compiled into no build that serves"
    )]
    let name = std::env::var("CATALOG_FAULT").ok()?;
    let chosen = match name.as_str() {
        "stamp-after-read" => Some(Fault::StampAfterRead),
        "trust-shared" => Some(Fault::TrustShared),
        "ignore-lost" => Some(Fault::IgnoreLost),
        "notify-only" => Some(Fault::NotifyOnly),
        "near-unchecked" => Some(Fault::NearUnchecked),
        "flag-freshness" => Some(Fault::FlagFreshness),
        "ignore-ticket" => Some(Fault::IgnoreTicket),
        "ignore-lease" => Some(Fault::IgnoreLease),
        "forget-news" => Some(Fault::ForgetNews),
        "ignore-history" => Some(Fault::IgnoreHistory),
        _ => None,
    };
    tracing::warn!(
        fault = name,
        known = chosen.is_some(),
        "serving with a deliberate fault"
    );
    chosen
});

fn is(fault: Fault) -> bool {
    *CHOSEN == Some(fault)
}

/// The lease of the shared cache: one that nobody keeps to is over at once.
#[must_use]
pub fn lease(lease: Duration) -> Duration {
    if is(Fault::IgnoreLease) {
        Duration::from_millis(1)
    } else {
        lease
    }
}

/// Puts the faults of loads before the rows.
#[must_use]
pub fn repository(
    inner: Arc<dyn ChallengeRepository>,
    invalidation: &Arc<InvalidationState>,
) -> Arc<dyn ChallengeRepository> {
    let invalidation = Arc::clone(invalidation);
    Arc::new(FaultyRepository {
        inner,
        invalidation,
    })
}

/// Puts the faults of reads before the cache.
#[must_use]
pub fn reader(
    inner: Arc<dyn CatalogReader>,
    catalog: &Arc<CachedCatalog>,
) -> Arc<dyn CatalogReader> {
    Arc::new(FaultyReader {
        inner,
        catalog: Arc::clone(catalog),
        served: Mutex::default(),
    })
}

struct FaultyRepository {
    inner: Arc<dyn ChallengeRepository>,
    invalidation: Arc<InvalidationState>,
}

impl FaultyRepository {
    fn stamped<T>(&self, mut read: Stamped<T>) -> Stamped<T> {
        if is(Fault::StampAfterRead) {
            let known = self.invalidation.version().stamp;
            read.version.stamp = read.version.stamp.max(known);
        }
        read
    }
}

#[async_trait]
impl ChallengeRepository for FaultyRepository {
    async fn read_page(
        &self,
        query: &ListQuery,
        total_count: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error> {
        let read = self.inner.read_page(query, total_count).await;
        read.map(|read| self.stamped(read))
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let read = self.inner.find_many(ids).await;
        read.map(|read| self.stamped(read))
    }

    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error> {
        self.inner.insert_missing(challenges).await
    }
}

struct FaultyReader {
    inner: Arc<dyn CatalogReader>,
    catalog: Arc<CachedCatalog>,
    /// The first body that was served for each key.
    served: Mutex<HashMap<ReadKey, (Option<Bytes>, Etag)>>,
}

impl FaultyReader {
    fn ticket(min_version: Option<Version>) -> Option<Version> {
        min_version.filter(|_| !is(Fault::IgnoreTicket))
    }

    fn options(options: ReadOptions) -> ReadOptions {
        ReadOptions {
            min_version: Self::ticket(options.min_version),
            ..options
        }
    }

    /// The answer, with the body that was served first.
    fn altered(&self, key: ReadKey, mut answer: Answer) -> Answer {
        if is(Fault::NearUnchecked)
            && let Ok(mut served) = self.served.lock()
        {
            let first = served.entry(key);
            let first = first.or_insert_with(|| (answer.body.clone(), answer.etag));
            (answer.body, answer.etag) = first.clone();
        }
        answer
    }

    /// What Redis has for `key`, however old it is.
    async fn trusted(&self, key: &ReadKey) -> Option<Answer> {
        if !is(Fault::TrustShared) {
            return None;
        }
        let loader = &self.catalog.loader;
        let invalidation = &loader.invalidation;
        let (shared, (version, _)) = loader.shared.as_ref().zip(invalidation.known())?;
        let name = key.in_redis(version.database, loader.database.encoder.shape());
        let found = match shared.get(&name, Stamp::default()).await {
            SharedLookup::Hit(found, _) => found,
            SharedLookup::Fill { lease, .. } => {
                shared.release(&name, &lease).await;
                return None;
            }
            SharedLookup::Wait { .. } | SharedLookup::Unavailable => return None,
        };
        let body = match found.content {
            Content::Body(body) => Some(body),
            Content::Nothing => None,
            Content::TooLarge => return None,
        };
        Some(Answer {
            json: None,
            body,
            deflated: None,
            etag: found.etag,
            expires_at: None,
            freshness: Freshness {
                version: version.shown_by(found.stamp),
                source: Source::SharedCache,
                stale: false,
                staleness_bound: invalidation.fresh_age()?,
            },
        })
    }
}

#[async_trait]
impl CatalogReader for FaultyReader {
    fn try_list_cached(&self, query: &ListQuery, min_version: Option<Version>) -> Option<Answer> {
        if is(Fault::TrustShared) {
            return None;
        }
        let min_version = Self::ticket(min_version);
        let answer = self.inner.try_list_cached(query, min_version)?;
        Some(self.altered(ReadKey::List(query.clone()), answer))
    }

    fn try_many_cached(
        &self,
        ids: &[ChallengeId],
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>> {
        if is(Fault::TrustShared) {
            return None;
        }
        let min_version = Self::ticket(min_version);
        let answers = self.inner.try_many_cached(ids, min_version)?;
        let answers = ids.iter().zip(answers);
        let altered = answers.map(|(id, answer)| self.altered(ReadKey::Challenge(*id), answer));
        Some(altered.collect())
    }

    async fn reach(&self, version: Version, deadline: Instant) -> Result<(), Error> {
        if is(Fault::IgnoreTicket) {
            return Ok(());
        }
        self.inner.reach(version, deadline).await
    }

    async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error> {
        let key = ReadKey::List(query.clone());
        if let Some(answer) = self.trusted(&key).await {
            return Ok(answer);
        }
        let answer = self.inner.list(query, Self::options(options)).await?;
        Ok(self.altered(key, answer))
    }

    async fn get_many(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<Answer>, Error> {
        let mut trusted = Vec::new();
        for id in ids {
            trusted.extend(self.trusted(&ReadKey::Challenge(*id)).await);
        }
        if trusted.len() == ids.len() {
            return Ok(trusted);
        }
        let answers = self.inner.get_many(ids, Self::options(options)).await?;
        let answers = ids.iter().zip(answers);
        let altered = answers.map(|(id, answer)| self.altered(ReadKey::Challenge(*id), answer));
        Ok(altered.collect())
    }

    async fn subjects(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<(Option<TipSubject>, Freshness)>, Error> {
        self.inner.subjects(ids, Self::options(options)).await
    }
}
