//! The registry of replicas, their tasks, and invalidations, on both engines.
use std::time::Duration;

use challenges_catalog::domain::{Changes, ReplicaId, ReplicaReport, Stamp, Tag};
use uuid::Uuid;

use super::fixture::{ANYONE, Catalog};

fn report(id: u128, seq: u64) -> ReplicaReport {
    ReplicaReport {
        id: ReplicaId(Uuid::from_u128(id)),
        name: format!("replica-{id}"),
        applied: Stamp { timeline: 1, seq },
        status: format!("status of {id} at {seq}").into(),
    }
}

pub async fn a_report_registers_and_the_next_one_replaces_it(catalog: Catalog) {
    for seq in [1, 2] {
        catalog.store.report(&report(7, seq)).await.unwrap();
    }
    let known = catalog.store.replicas().await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].report, report(7, 2));
    assert!(
        known[0].heard_ago < Duration::from_secs(20),
        "{:?}",
        known[0].heard_ago
    );
}

pub async fn a_poll_tells_whether_the_replica_is_registered(catalog: Catalog) {
    let (store, own) = (&catalog.store, ReplicaId(Uuid::from_u128(7)));
    assert!(!store.poll(0, own).await.unwrap().registered);
    store.report(&report(7, 1)).await.unwrap();
    assert!(store.poll(0, own).await.unwrap().registered);
    assert!(!store.poll(0, ANYONE).await.unwrap().registered);
    store.leave(own).await.unwrap();
    assert!(!store.poll(0, own).await.unwrap().registered);
}

pub async fn an_acknowledgement_goes_forwards_only_and_registers_nobody(catalog: Catalog) {
    let (store, own) = (&catalog.store, ReplicaId(Uuid::from_u128(7)));
    let stamp = |timeline, seq| Stamp { timeline, seq };
    store.acknowledge(own, stamp(1, 5)).await.unwrap();
    assert_eq!(store.replicas().await.unwrap(), []);
    store.report(&report(7, 5)).await.unwrap();
    for (told, kept) in [
        (stamp(1, 9), stamp(1, 9)),
        (stamp(1, 8), stamp(1, 9)),
        (stamp(2, 1), stamp(2, 1)),
    ] {
        store.acknowledge(own, told).await.unwrap();
        assert_eq!(store.replicas().await.unwrap()[0].report.applied, kept);
    }
}

pub async fn a_task_has_one_holder_until_its_time_is_over(catalog: Catalog) {
    let (store, minute) = (&catalog.store, Duration::from_mins(1));
    let [one, two] = [1, 2].map(|id| ReplicaId(Uuid::from_u128(id)));
    let takers = tokio::join!(
        store.take_task("warm", one, minute),
        store.take_task("warm", two, minute)
    );
    let taken = [takers.0.unwrap(), takers.1.unwrap()];
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    let (holder, other) = if taken[0] { (one, two) } else { (two, one) };
    assert!(
        store
            .take_task("warm", holder, Duration::ZERO)
            .await
            .unwrap(),
        "it renews"
    );
    assert!(
        store.take_task("warm", other, minute).await.unwrap(),
        "its time was over"
    );
    assert!(!store.take_task("warm", holder, minute).await.unwrap());
    store.drop_task("warm", holder).await.unwrap();
    assert!(
        !store.take_task("warm", holder, minute).await.unwrap(),
        "it was not its own"
    );
    store.drop_task("warm", other).await.unwrap();
    assert!(store.take_task("warm", holder, minute).await.unwrap());
}

pub async fn an_invalidation_is_a_commit_like_any_other(catalog: Catalog) {
    let before = catalog.head().await;
    let tags = [Tag::Everything, Tag::Challenge(Uuid::from_u128(3).into())];
    let stamp = catalog.store.invalidate(&tags, true).await.unwrap();
    let page = catalog.store.poll(before, ANYONE).await.unwrap();
    assert_eq!(page.head, stamp);
    let Changes::All(changes) = page.changes else {
        panic!("{page:?}")
    };
    assert!(
        changes
            .iter()
            .all(|change| change.hard && change.seq <= stamp.seq)
    );
    let told: Vec<_> = changes.iter().map(|change| change.tag).collect();
    assert!(tags.iter().all(|tag| told.contains(tag)), "{told:?}");
}
