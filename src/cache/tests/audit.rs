//! The audit finds what it can check, and what is wrong.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::fixture::{Fixture, options};
use crate::cache::Auditor;
use crate::domain::{
    CatalogReader, ChallengeId, Changes, Error, FeedPage, FleetPlace, Invalidation, Invalidator,
    Tag, Version,
};

/// Counts what it is asked for.
#[derive(Default)]
struct Counting(AtomicU64);

#[async_trait]
impl Invalidator for Counting {
    async fn invalidate(&self, _: &[Tag], _: Invalidation) -> Result<Version, Error> {
        self.0.fetch_add(1, SeqCst);
        Ok(Version::default())
    }
}

#[tokio::test(start_paused = true)]
async fn every_look_checks_an_entry_as_long_as_one_is_valid() {
    let fixture = Fixture::new();
    let invalidator = Arc::new(Counting::default());
    let audit = Auditor::new(Arc::clone(&fixture.catalog), Arc::clone(&invalidator) as _);
    assert!(audit.check_one().await, "there is nothing to check");
    fixture.list_now().await;
    let ids = [7, 8].map(|id| ChallengeId::from(Uuid::from_u128(id)));
    fixture.catalog.get_many(&ids, options()).await.unwrap();
    // The list is no longer valid; the two challenges are.
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    for looks in 1..=50 {
        assert!(audit.check_one().await);
        assert_eq!(fixture.catalog.stats().audit_checked.get(), looks);
    }
    assert_eq!(invalidator.0.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_replicas_share_the_checks() {
    let fixture = Fixture::new();
    let every = Duration::from_secs(1);
    assert_eq!(fixture.invalidation.share(every), every);
    let page = FeedPage {
        place: Some(FleetPlace {
            before: 0,
            others: 9,
        }),
        ..fixture.page(Changes::All(vec![]))
    };
    fixture.invalidation.apply(&page, Instant::now());
    assert_eq!(fixture.invalidation.share(every), 10 * every);
}
