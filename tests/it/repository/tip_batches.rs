//! Facts about batches of tips, for the contract.
use challenges_catalog::domain::{
    BatchId, BatchState, Epoch, Error, Locale, NewBatch, NewOrder, ProviderBatchId, SettledOrder,
    TipKey, UnixMicros, Usage,
};
use uuid::Uuid;

use super::{
    fixture::{Catalog, id},
    tips::days_from_now,
};

/// Batch `number` with so many orders.
pub fn batch(number: u8, orders: u8) -> NewBatch {
    let order = |place: u8| NewOrder {
        key: TipKey([place; 32]),
        challenge: id(place.into()),
        content: [number; 32],
        epoch: Epoch(1_790_000_000_000 + u64::from(place)),
    };
    NewBatch {
        id: BatchId(Uuid::from_u128(number.into())),
        provider: "anthropic".to_owned(),
        model: "some-model".to_owned(),
        locale: Locale::default(),
        persona: "warm".parse().unwrap(),
        edition: "1".to_owned(),
        shown: true,
        repeats: (number == 3).then_some(BatchId(Uuid::from_u128(1))),
        reserved_micro_usd: 1_000,
        created_at: UnixMicros(days_from_now(0).0 + i64::from(number)),
        orders: (0..orders).map(order).collect(),
    }
}

pub fn settled(number: u32, outcome: &str) -> SettledOrder {
    SettledOrder {
        number,
        outcome: outcome.to_owned(),
        usage: Usage {
            input_tokens: 100,
            output_tokens: 20,
            is_estimated: outcome != "success",
        },
        cost_micro_usd: 7,
    }
}

fn name(name: &str) -> ProviderBatchId {
    ProviderBatchId(name.to_owned())
}

pub async fn a_batch_reads_back_as_it_was_noted_and_counts_once(catalog: Catalog) {
    let store = &catalog.store;
    assert!(store.open_batches().await.unwrap().is_empty());
    let (first, second) = (batch(1, 3), batch(2, 1));
    for noted in [&second, &first, &first] {
        store.note(noted).await.unwrap();
    }
    let open = store.open_batches().await.unwrap();
    let ids: Vec<_> = open.iter().map(|noted| noted.batch.id).collect();
    assert_eq!(ids, [first.id, second.id], "the oldest first");
    let noted = &open[0];
    let bare = NewBatch {
        orders: Vec::new(),
        ..first.clone()
    };
    assert_eq!((&noted.batch, noted.state), (&bare, BatchState::Noted));
    assert_eq!((noted.orders, noted.written, noted.failed), (3, 0, 0));
    let orders = store.orders(first.id).await.unwrap();
    assert!(orders.iter().all(|order| order.outcome.is_none()));
    let orders: Vec<_> = orders.into_iter().map(|order| order.order).collect();
    assert_eq!(orders, first.orders);
    assert_eq!(store.batches(&[second.id]).await.unwrap().len(), 1);
    let odd = NewBatch {
        model: "a\0b".to_owned(),
        ..batch(3, 1)
    };
    let refused = store.note(&odd).await.unwrap_err();
    assert!(matches!(refused, Error::Internal { .. }), "{refused:?}");
}

pub async fn the_first_word_on_a_batch_stays(catalog: Catalog) {
    let (store, new) = (&catalog.store, batch(1, 1));
    store.note(&new).await.unwrap();
    let read = async || store.batches(&[new.id]).await.unwrap().remove(0);
    store.handed_in(new.id, Some(UnixMicros(5))).await.unwrap();
    assert_eq!(read().await.handed_in_at, Some(UnixMicros(5)));
    store.handed_in(new.id, None).await.unwrap();
    assert_eq!(read().await.handed_in_at, None);
    for told in ["first", "second"] {
        store.submitted(new.id, &name(told)).await.unwrap();
    }
    let noted = read().await;
    assert_eq!(
        (noted.state, noted.provider_id),
        (BatchState::Submitted, Some(name("first")))
    );
    for at in [7, 8] {
        store.ended(new.id, UnixMicros(at)).await.unwrap();
    }
    let noted = read().await;
    assert_eq!(
        (noted.state, noted.ended_at),
        (BatchState::Ended, Some(UnixMicros(7)))
    );
}

pub async fn an_order_is_settled_once_and_the_sums_are_those_of_the_orders(catalog: Catalog) {
    let (store, new) = (&catalog.store, batch(1, 3));
    store.note(&new).await.unwrap();
    let first = [settled(0, "success"), settled(2, "expired")];
    store.settle(new.id, &first).await.unwrap();
    let again = [
        settled(0, "rules"),
        settled(1, "success"),
        settled(9, "success"),
    ];
    store.settle(new.id, &again).await.unwrap();
    store.settle(new.id, &[]).await.unwrap();
    let noted = store.batches(&[new.id]).await.unwrap().remove(0);
    assert_eq!((noted.orders, noted.written, noted.failed), (3, 2, 1));
    let spent = noted.spent;
    assert_eq!((spent.attempts, spent.cost_micro_usd), (3, 21));
    assert_eq!(
        (spent.usage.input_tokens, spent.usage.output_tokens),
        (300, 60)
    );
    assert!(spent.usage.is_estimated, "one of them is");
    let outcomes = store.orders(new.id).await.unwrap();
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|order| order.outcome.as_deref())
        .collect();
    assert_eq!(
        outcomes,
        [Some("success"), Some("success"), Some("expired")]
    );
}

pub async fn a_batch_is_closed_once_and_its_repeat_is_noted_with_it(catalog: Catalog) {
    let store = &catalog.store;
    let (first, second, repeat) = (batch(1, 2), batch(2, 1), batch(3, 1));
    store.note(&first).await.unwrap();
    store.note(&second).await.unwrap();
    assert!(
        store
            .close_batch(first.id, false, Some(&repeat))
            .await
            .unwrap()
    );
    let late = batch(4, 1);
    assert!(
        !store
            .close_batch(first.id, true, Some(&late))
            .await
            .unwrap()
    );
    assert!(store.close_batch(second.id, true, None).await.unwrap());
    let ids = [first.id, second.id, late.id];
    let noted = store.batches(&ids).await.unwrap();
    let states: Vec<_> = noted.iter().map(|noted| noted.state).collect();
    assert_eq!(
        states,
        [BatchState::Imported, BatchState::Lost, BatchState::Noted]
    );
    let open = store.open_batches().await.unwrap();
    assert_eq!(open.len(), 1);
    let read = &open[0].batch;
    assert_eq!((read.id, read.repeats), (repeat.id, Some(first.id)));
}

pub async fn batches_that_were_closed_long_ago_are_forgotten_when_another_is_noted(
    catalog: Catalog,
) {
    let store = &catalog.store;
    for number in 1..=3 {
        store.note(&batch(number, 2)).await.unwrap();
    }
    for number in 1..=2 {
        let id = BatchId(Uuid::from_u128(number));
        assert!(store.close_batch(id, false, None).await.unwrap());
    }
    catalog.age_closed_batch(BatchId(Uuid::from_u128(1))).await;
    store.note(&batch(4, 2)).await.unwrap();
    assert_eq!(catalog.count_of("tip_batches").await, 3);
    assert_eq!(catalog.count_of("tip_batch_orders").await, 6);
}

pub async fn without_a_database_every_call_for_a_batch_is_an_outage(catalog: Catalog) {
    catalog.store.close().await;
    let (store, new) = (&catalog.store, batch(1, 1));
    for error in [
        store.note(&new).await.unwrap_err(),
        store.open_batches().await.unwrap_err(),
        store.orders(new.id).await.unwrap_err(),
        store.handed_in(new.id, None).await.unwrap_err(),
        store.submitted(new.id, &name("x")).await.unwrap_err(),
        store.ended(new.id, UnixMicros(1)).await.unwrap_err(),
        store.settle(new.id, &[settled(0, "x")]).await.unwrap_err(),
        store.close_batch(new.id, true, None).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }
}
