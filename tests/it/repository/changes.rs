//! Facts about changes and the feed, for the contract.
use std::time::Duration;

use challenges_catalog::{
    domain::{Changes, Difficulty, NewChallenge, Tag, Tell},
    service::seed,
};

use super::fixture::{ANYONE, Catalog, challenge, id, id_text, tag, tags};
use super::reads::{all, titles};
use crate::support::wait::eventually;

pub async fn adding_what_is_there_changes_nothing(catalog: Catalog) {
    let first = challenge(1, "beginner", 10, "first");
    catalog.store.insert_missing(&[first]).await.unwrap();
    let before = catalog.head().await;
    let again = challenge(1, "advanced", 20, "again");
    let both = [again.clone(), again];
    assert_eq!(catalog.store.insert_missing(&both).await.unwrap(), 0);
    assert_eq!(catalog.store.insert_missing(&[]).await.unwrap(), 0);
    assert_eq!(catalog.head().await, before);
    assert_eq!(titles(&catalog, &all(10)).await, ["first"]);
}

pub async fn the_feed_names_what_others_changed(catalog: Catalog) {
    let row = format!("'{}'", id_text(1));
    let insert = format!(
        "INSERT INTO approach_challenges (id, difficulty, title) VALUES ({row}, 'beginner', 'x')"
    );
    let inserted = catalog.tags_of(catalog.execute(&insert)).await;
    assert_eq!(inserted, [tag(1), "difficulty:beginner".to_owned()]);
    let edit = format!("UPDATE approach_challenges SET title = 'y' WHERE id = {row}");
    let edited = catalog.tags_of(catalog.execute(&edit)).await;
    assert_eq!(edited, [tag(1), "difficulty:beginner".to_owned()]);
    let moving = format!("UPDATE approach_challenges SET difficulty = 'advanced' WHERE id = {row}");
    let moved = catalog.tags_of(catalog.execute(&moving)).await;
    let both = ["difficulty:advanced", "difficulty:beginner"].map(str::to_owned);
    assert_eq!(moved, [&[tag(1)], &both[..]].concat());
    let delete = format!("DELETE FROM approach_challenges WHERE id = {row}");
    let deleted = catalog.tags_of(catalog.execute(&delete)).await;
    assert_eq!(deleted, [tag(1), "difficulty:advanced".to_owned()]);
}

pub async fn a_new_id_for_a_row_touches_the_old_one_too(catalog: Catalog) {
    let new = challenge(1, "beginner", 10, "one");
    catalog.store.insert_missing(&[new]).await.unwrap();
    let rename = format!("UPDATE approach_challenges SET id = '{}'", id_text(2));
    let touched = catalog.tags_of(catalog.execute(&rename)).await;
    assert_eq!(touched, [tag(1), tag(2), "difficulty:beginner".to_owned()]);
}

pub async fn a_change_that_was_rolled_back_is_never_told(catalog: Catalog) {
    let undone = "BEGIN;
        INSERT INTO approach_challenges (id, difficulty, title)
        VALUES ('00000000-0000-4000-8000-000000000001', 'beginner', 'x');
        ROLLBACK;";
    assert!(catalog.tags_of(catalog.execute(undone)).await.is_empty());
}

pub async fn a_statement_that_finds_no_row_tells_nothing(catalog: Catalog) {
    let nothing = "UPDATE approach_challenges SET title = 'x' WHERE points = 7;
        DELETE FROM approach_challenges WHERE points = 7;";
    assert!(catalog.tags_of(catalog.execute(nothing)).await.is_empty());
}

pub async fn a_reader_that_is_up_to_date_hears_of_nothing(catalog: Catalog) {
    let page = catalog
        .store
        .poll(catalog.head().await, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(page.changes, Changes::All(Vec::new()));
    assert_ne!(page.database.0, 0);
    let again = catalog.store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    assert_eq!((again.database, again.head), (page.database, page.head));
}

pub async fn a_reader_from_another_past_has_lost_track(catalog: Catalog) {
    let ahead = catalog.head().await + 1;
    for after in [ahead, u64::MAX] {
        let page = catalog
            .store
            .poll(after, ANYONE, Tell::Nothing)
            .await
            .unwrap();
        assert_eq!(page.changes, Changes::Lost);
    }
}

pub async fn more_changes_than_a_page_holds_are_lost_and_then_found_again(catalog: Catalog) {
    let before = catalog.head().await;
    let rows: Vec<_> = (0..1_001)
        .map(|n| challenge(n, "beginner", 10, "x"))
        .collect();
    for some in rows.chunks(500) {
        catalog.store.insert_missing(some).await.unwrap();
    }
    let page = catalog
        .store
        .poll(before, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(page.changes, Changes::Lost);
    let next = catalog
        .store
        .poll(page.head.seq, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(next.changes, Changes::All(Vec::new()));
}

pub async fn seeding_again_adds_nothing_and_keeps_edits(catalog: Catalog) {
    let load = async || seed::load(&*catalog.store, seed::EMBEDDED).await.unwrap();
    let first = load().await;
    assert_eq!(first.added, first.read);
    catalog
        .execute("UPDATE approach_challenges SET title = 'edited'")
        .await;
    let before = catalog.head().await;
    assert_eq!(load().await.added, 0);
    assert_eq!(catalog.head().await, before);
    let found = titles(&catalog, &all(100)).await;
    assert!(found.len() as u64 == first.read && found.iter().all(|title| title == "edited"));
}

pub async fn an_empty_tip_of_a_seed_is_none(catalog: Catalog) {
    let new = NewChallenge {
        tips: Some(String::new()),
        ..challenge(1, "beginner", 10, "one")
    };
    catalog.store.insert_missing(&[new]).await.unwrap();
    let found = catalog.store.find_many(&[id(1)]).await.unwrap();
    assert_eq!(found.value[0].tips, None);
}

pub async fn changes_of_long_ago_are_forgotten_but_the_newest(catalog: Catalog) {
    for n in 0..3 {
        let new = challenge(n, "beginner", 10, "x");
        catalog.store.insert_missing(&[new]).await.unwrap();
    }
    let before = catalog.store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    catalog.store.prune().await.unwrap();
    assert_eq!(
        catalog.store.poll(0, ANYONE, Tell::Nothing).await.unwrap(),
        before
    );
    catalog.age().await;
    catalog.store.prune().await.unwrap();
    let behind = catalog.store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    assert_eq!((behind.changes, behind.head), (Changes::Lost, before.head));
    let beside = catalog
        .store
        .poll(before.head.seq - 1, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_ne!(beside.changes, Changes::Lost);
    catalog.store.prune().await.unwrap();
    assert_eq!(catalog.head().await, before.head.seq);
}

pub async fn seq_numbers_rise_within_one_page(catalog: Catalog) {
    let before = catalog.head().await;
    for n in 0..3 {
        let new = challenge(n, "beginner", 10, "x");
        catalog.store.insert_missing(&[new]).await.unwrap();
    }
    let Changes::All(changes) = catalog
        .store
        .poll(before, ANYONE, Tell::Nothing)
        .await
        .unwrap()
        .changes
    else {
        panic!("lost");
    };
    assert!(changes.is_sorted_by_key(|change| change.seq));
    assert!(
        changes
            .iter()
            .all(|change| change.seq > before && !change.hard)
    );
}

pub async fn a_write_of_our_own_hurries_the_next_poll(catalog: Catalog) {
    let new = challenge(1, "beginner", 10, "x");
    catalog.store.insert_missing(&[new]).await.unwrap();
    let hint = tokio::time::timeout(Duration::from_secs(5), catalog.store.notified());
    hint.await.unwrap();
}

pub async fn concurrent_writers_and_readers_agree_in_the_end(catalog: Catalog) {
    let write = async |of: u32| {
        for n in 0..10 {
            let new = challenge(of * 100 + n, "beginner", 10, "x");
            catalog.store.insert_missing(&[new]).await.unwrap();
        }
    };
    tokio::join!(write(1), write(2), write(3), write(4));
    eventually("every row is there", Duration::from_secs(5), async || {
        catalog.store.list(&all(1)).await.unwrap().value.total_count == 40
    })
    .await;
    let told = tags(
        &catalog
            .store
            .poll(0, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .changes,
    );
    assert!(
        (100..=400)
            .step_by(100)
            .all(|first| told.contains(&tag(first)))
    );
    assert!(told.contains(&Tag::Difficulty(Difficulty::Beginner).to_string()));
}
