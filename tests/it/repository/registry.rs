//! Facts about the registry, tasks and invalidations, for the contract.
use std::time::Duration;

use bytes::Bytes;
use challenges_catalog::domain::{
    Change, Changes, DatabaseId, Difficulty, Error, Invalidation, KnownReplica, ReplicaId,
    ReplicaReport, Stamp, Tag, Tell, Version,
};
use futures_util::future::join_all;
use uuid::Uuid;

use super::fixture::{ANYONE, Catalog, HARD, Telling, id};
use crate::support::wait::eventually;

const MINUTE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(20);

pub fn replica(number: u128) -> ReplicaId {
    ReplicaId(Uuid::from_u128(number))
}

fn at(timeline: u32, seq: u64) -> Version {
    Version {
        database: DatabaseId(7),
        stamp: Stamp { timeline, seq },
    }
}

/// What replica `number` tells when it applied `applied`.
pub fn report(number: u128, applied: Version) -> ReplicaReport {
    ReplicaReport {
        id: replica(number),
        name: format!("host-{number}"),
        applied,
        status: Bytes::from_static(b"\0fine\xff"),
    }
}

async fn known(catalog: &Catalog) -> Vec<KnownReplica> {
    catalog.store.replicas().await.unwrap()
}

/// The numbers of the replicas that are registered, sorted.
async fn numbers(catalog: &Catalog) -> Vec<u128> {
    let known = known(catalog).await;
    let mut numbers: Vec<_> = known.iter().map(|one| one.report.id.0.as_u128()).collect();
    numbers.sort_unstable();
    numbers
}

async fn is_registered(catalog: &Catalog, number: u128) -> bool {
    let page = catalog
        .store
        .poll(0, replica(number), Tell::Nothing)
        .await
        .unwrap();
    page.registered
}

pub async fn a_report_registers_and_the_next_one_replaces_it(catalog: Catalog) {
    assert_eq!(known(&catalog).await, []);
    let mut told = report(1, at(2, 9));
    catalog.store.report(&told).await.unwrap();
    // Backwards too: a database restored in place has lower numbers than before.
    told.applied = at(2, 7);
    told.name = "é".repeat(100);
    told.status = Bytes::from(vec![7; 64 * 1024]);
    catalog.store.report(&told).await.unwrap();
    let known = known(&catalog).await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].report, told);
    assert!(known[0].heard_ago < SOON, "{:?}", known[0].heard_ago);
}

pub async fn a_report_beyond_its_bounds_is_a_fault_and_registers_nobody(catalog: Catalog) {
    let fine = report(1, at(1, 1));
    for told in [
        ReplicaReport {
            name: String::new(),
            ..fine.clone()
        },
        ReplicaReport {
            name: "é".repeat(100) + "x",
            ..fine.clone()
        },
        ReplicaReport {
            status: Bytes::from(vec![7; 64 * 1024 + 1]),
            ..fine.clone()
        },
    ] {
        let refused = catalog.store.report(&told).await.unwrap_err();
        assert!(matches!(refused, Error::Internal { .. }), "{refused:?}");
    }
    assert_eq!(numbers(&catalog).await, []);
}

pub async fn only_a_report_makes_a_replica_young_again(catalog: Catalog) {
    let told = report(1, at(1, 1));
    catalog.store.report(&told).await.unwrap();
    catalog.hush(Duration::from_secs(20)).await;
    catalog
        .store
        .acknowledge(replica(1), at(1, 2))
        .await
        .unwrap();
    let age = known(&catalog).await[0].heard_ago;
    assert!(
        age >= Duration::from_secs(20) && age < Duration::from_secs(40),
        "{age:?}"
    );
    catalog.store.report(&told).await.unwrap();
    assert!(known(&catalog).await[0].heard_ago < SOON);
}

pub async fn an_acknowledgement_tells_how_far_a_replica_is_and_registers_nobody(catalog: Catalog) {
    catalog
        .store
        .acknowledge(replica(1), at(1, 5))
        .await
        .unwrap();
    assert_eq!(known(&catalog).await, []);
    let first = report(1, at(0, 5));
    catalog.store.report(&first).await.unwrap();
    catalog.store.report(&report(2, at(0, 5))).await.unwrap();
    // In another history too, whose numbers may be lower.
    let other = Version {
        database: DatabaseId(8),
        stamp: at(0, 4).stamp,
    };
    for told in [at(0, 6), other] {
        catalog.store.acknowledge(replica(1), told).await.unwrap();
        let known = known(&catalog).await;
        let of = |number| {
            let found = known.iter().find(|one| one.report.id == replica(number));
            found.unwrap().report.clone()
        };
        // That and nothing else.
        let expected = ReplicaReport {
            applied: told,
            ..first.clone()
        };
        assert_eq!(of(1), expected);
        assert_eq!(of(2).applied, at(0, 5));
    }
}

pub async fn a_replica_that_leaves_is_forgotten(catalog: Catalog) {
    for number in [1, 2] {
        let told = report(number, at(1, 1));
        catalog.store.report(&told).await.unwrap();
    }
    catalog.store.leave(replica(1)).await.unwrap();
    catalog.store.leave(replica(1)).await.unwrap();
    assert_eq!(numbers(&catalog).await, [2]);
}

pub async fn a_silent_replica_is_forgotten_when_another_one_reports(catalog: Catalog) {
    for number in [1, 2] {
        let told = report(number, at(1, 1));
        catalog.store.report(&told).await.unwrap();
    }
    catalog.hush(Duration::from_secs(40)).await;
    catalog.store.report(&report(3, at(1, 1))).await.unwrap();
    assert_eq!(numbers(&catalog).await, [1, 2, 3]);
    catalog.hush(Duration::from_secs(25)).await;
    // Who reports is silent no more.
    catalog.store.report(&report(2, at(1, 1))).await.unwrap();
    assert_eq!(numbers(&catalog).await, [2, 3]);
}

pub async fn a_poll_tells_whether_its_replica_is_registered(catalog: Catalog) {
    assert!(!is_registered(&catalog, 1).await);
    catalog.store.report(&report(1, at(1, 1))).await.unwrap();
    assert!(is_registered(&catalog, 1).await);
    assert!(!is_registered(&catalog, 2).await);
    // Whatever else the page tells.
    let lost = catalog
        .store
        .poll(u64::MAX, replica(1), Tell::Nothing)
        .await
        .unwrap();
    assert_eq!((lost.changes, lost.registered), (Changes::Lost, true));
    catalog.store.leave(replica(1)).await.unwrap();
    assert!(!is_registered(&catalog, 1).await);
}

pub async fn a_poll_calls_a_replica_unregistered_well_before_it_is_forgotten(catalog: Catalog) {
    // Its reports fail, say, and its polls do not. It may call answers fresh for a while after
    // the last poll that it believed, and whoever proves an invalidation must still wait for it.
    catalog.store.report(&report(1, at(1, 1))).await.unwrap();
    catalog.hush(Duration::from_secs(15)).await;
    assert!(is_registered(&catalog, 1).await);
    catalog.hush(Duration::from_secs(20)).await;
    assert!(!is_registered(&catalog, 1).await);
    catalog.store.report(&report(2, at(1, 1))).await.unwrap();
    assert_eq!(numbers(&catalog).await, [1, 2]);
    catalog.store.report(&report(1, at(1, 1))).await.unwrap();
    assert!(is_registered(&catalog, 1).await);
}

pub async fn many_report_at_once_while_others_are_forgotten(catalog: Catalog) {
    for _ in 0..5 {
        let reports: Vec<_> = (0..8).map(|number| report(number, at(1, 1))).collect();
        let told = join_all(reports.iter().map(|told| catalog.store.report(told))).await;
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        assert_eq!(numbers(&catalog).await.len(), 8);
        // Each of the next ones finds all the others silent.
        catalog.hush(MINUTE * 2).await;
    }
}

pub async fn a_task_has_one_holder_until_it_is_given_back(catalog: Catalog) {
    let take = async |name, number| {
        let taken = catalog.store.take_task(name, replica(number), MINUTE).await;
        taken.unwrap()
    };
    assert!(take("warm", 1).await);
    assert!(!take("warm", 2).await);
    assert!(take("warm", 1).await, "it is renewed");
    assert!(take("other", 2).await);
    catalog.store.drop_task("warm", replica(2)).await.unwrap();
    assert!(!take("warm", 2).await, "not the holder gave it back");
    catalog.store.drop_task("warm", replica(1)).await.unwrap();
    assert!(take("warm", 2).await);
    assert!(!take("warm", 1).await);
}

pub async fn a_task_whose_time_is_over_goes_to_who_asks_next(catalog: Catalog) {
    let take = async |number, ttl| {
        let taken = catalog.store.take_task("warm", replica(number), ttl).await;
        taken.unwrap()
    };
    assert!(take(1, MINUTE).await);
    assert!(!take(2, MINUTE).await);
    // Renewed, for shorter.
    assert!(take(1, Duration::from_millis(1)).await);
    eventually("it is free", SOON, async || take(2, MINUTE).await).await;
    assert!(!take(1, MINUTE).await);
}

pub async fn of_many_who_take_a_task_at_once_one_gets_it(catalog: Catalog) {
    let takers = (0..8).map(|number| catalog.store.take_task("warm", replica(number), MINUTE));
    let taken = join_all(takers).await;
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
}

pub async fn an_invalidation_is_a_commit_with_its_tags_and_hardness(catalog: Catalog) {
    let tags = [
        Tag::Everything,
        Tag::Difficulty(Difficulty::Advanced),
        Tag::Challenge(id(1)),
    ];
    for (hard, awaited) in [(false, false), (true, false), (false, true)] {
        let before = catalog.head().await;
        let how = Invalidation { hard, awaited };
        let commit = catalog.store.invalidate(&tags, how).await.unwrap();
        let page = catalog
            .store
            .poll(before, ANYONE, Tell::Nothing)
            .await
            .unwrap();
        assert!(commit.stamp.seq > before);
        assert_eq!((page.database, page.head), (commit.database, commit.stamp));
        assert_eq!(page.is_awaited, awaited);
        let Changes::All(changes) = page.changes else {
            panic!("lost");
        };
        let is_ours = |change: &Change| change.hard == hard && change.seq <= commit.stamp.seq;
        assert!(changes.iter().all(is_ours), "{changes:?}");
        let mut told: Vec<_> = changes
            .iter()
            .map(|change| change.tag.to_string())
            .collect();
        told.sort();
        let mut expected = tags.map(|tag| tag.to_string());
        expected.sort();
        assert_eq!(told, expected);
    }
}

pub async fn an_invalidation_of_nothing_is_a_fault_and_no_commit(catalog: Catalog) {
    let before = catalog.head().await;
    let refused = catalog.store.invalidate(&[], HARD).await.unwrap_err();
    assert!(matches!(refused, Error::Internal { .. }), "{refused:?}");
    assert_eq!(catalog.head().await, before);
}

pub async fn an_invalidation_of_our_own_hurries_the_next_poll(catalog: Catalog) {
    let tags = [Tag::Everything];
    catalog
        .store
        .invalidate(&tags, Invalidation::default())
        .await
        .unwrap();
    let hint = tokio::time::timeout(SOON, catalog.store.notified());
    hint.await.unwrap();
}

pub async fn the_pool_tells_how_many_connections_it_has(catalog: Catalog) {
    catalog.store.fill_pools().await.unwrap();
    let pool = catalog.store.pool();
    assert!(pool.open >= 1 && pool.open <= pool.max, "{pool:?}");
    assert!(pool.idle <= pool.open, "{pool:?}");
}
