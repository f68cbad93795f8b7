//! Facts about reads, for the contract.
use std::collections::HashSet;

use challenges_catalog::domain::{
    Cursor, Difficulty, Error, ListQuery, PageSize, Stamp, Tell, UnixMicros,
};

use super::fixture::{ANYONE, Catalog, challenge, id};

pub fn all(size: i32) -> ListQuery {
    ListQuery::first(None, PageSize::parse(size).unwrap())
}

pub async fn titles(catalog: &Catalog, query: &ListQuery) -> Vec<String> {
    let page = catalog.store.list(query).await.unwrap().value;
    page.challenges
        .into_iter()
        .map(|found| found.title)
        .collect()
}

pub async fn an_empty_page_has_a_stamp_and_a_count(catalog: Catalog) {
    let page = catalog.store.list(&all(10)).await.unwrap();
    assert_eq!(
        page.version.stamp,
        catalog
            .store
            .poll(0, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .head
    );
    assert!(page.version.stamp.seq > 0);
    assert_eq!((page.value.total_count, page.value.has_more), (0, false));
    let new = challenge(1, "beginner", 10, "one");
    catalog.store.insert_missing(&[new]).await.unwrap();
    let behind = ListQuery {
        after: Some(Cursor {
            difficulty: Difficulty::Advanced,
            points: 1_000,
            title: "z".to_owned(),
            id: id(9),
        }),
        ..all(10)
    };
    let head = catalog.head().await;
    let page = catalog.store.list(&behind).await.unwrap();
    assert!(page.value.challenges.is_empty());
    assert_eq!(page.value.total_count, 1);
    assert_eq!(page.version.stamp.seq, head);
}

pub async fn a_list_is_in_the_order_of_difficulty_points_title_and_id(catalog: Catalog) {
    let rows = [
        challenge(1, "advanced", 1, "g"),
        challenge(2, "intermediate", 20, "f"),
        challenge(3, "beginner", 15, "a"),
        challenge(4, "beginner", 10, "é"),
        challenge(5, "beginner", 10, "b"),
        challenge(7, "beginner", 10, "B"),
        challenge(6, "beginner", 10, "B"),
    ];
    catalog.store.insert_missing(&rows).await.unwrap();
    let page = catalog.store.list(&all(10)).await.unwrap().value;
    let ids: Vec<_> = page.challenges.iter().map(|found| found.id).collect();
    assert_eq!(ids, [6, 7, 5, 4, 3, 2, 1].map(id));
    let cursors: Vec<_> = page.challenges.iter().map(Cursor::from).collect();
    assert!(cursors.is_sorted());
}

pub async fn pages_follow_one_another_without_gap_or_repeat(catalog: Catalog) {
    let difficulties = ["beginner", "intermediate", "advanced"];
    let rows: Vec<_> = (0..30)
        .map(|n| challenge(n, difficulties[n as usize % 3], i64::from(n % 4), "same"))
        .collect();
    catalog.store.insert_missing(&rows).await.unwrap();
    let mut query = all(7);
    let mut seen = Vec::new();
    loop {
        let page = catalog.store.list(&query).await.unwrap().value;
        assert_eq!(page.total_count, 30);
        seen.extend(page.challenges.iter().map(|found| found.id));
        let Some(next) = page.next() else { break };
        assert_eq!(page.challenges.len(), 7);
        query.after = Some(next);
    }
    assert_eq!(seen.len(), 30);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 30);
}

pub async fn a_page_that_is_just_full_is_the_last(catalog: Catalog) {
    let rows = [1, 2].map(|n| challenge(n, "beginner", 10, "same"));
    catalog.store.insert_missing(&rows).await.unwrap();
    assert!(!catalog.store.list(&all(2)).await.unwrap().value.has_more);
    assert!(catalog.store.list(&all(1)).await.unwrap().value.has_more);
}

pub async fn a_list_whose_total_is_given_is_the_same_and_counts_nothing(catalog: Catalog) {
    for n in 0..3 {
        let new = challenge(n, "beginner", 10, "x");
        catalog.store.insert_missing(&[new]).await.unwrap();
    }
    let counted = catalog.store.list(&all(2)).await.unwrap().value;
    let uncounted = catalog.store.read_page(&all(2), Some(77)).await;
    let uncounted = uncounted.unwrap().value;
    assert_eq!((counted.total_count, uncounted.total_count), (3, 77));
    assert_eq!(counted.challenges, uncounted.challenges);
    assert_eq!((counted.has_more, uncounted.has_more), (true, true));
}

pub async fn a_filter_lists_and_counts_one_difficulty(catalog: Catalog) {
    let rows = [
        challenge(1, "beginner", 10, "one"),
        challenge(2, "intermediate", 0, "two"),
        challenge(3, "intermediate", 5, "three"),
        challenge(4, "advanced", 10, "four"),
    ];
    catalog.store.insert_missing(&rows).await.unwrap();
    for (difficulty, expected) in [
        (Difficulty::Beginner, vec!["one"]),
        (Difficulty::Intermediate, vec!["two", "three"]),
        (Difficulty::Advanced, vec!["four"]),
    ] {
        let mut query = ListQuery::first(Some(difficulty), PageSize::DEFAULT);
        let page = catalog.store.list(&query).await.unwrap().value;
        assert_eq!(page.total_count, expected.len() as u64);
        assert_eq!(titles(&catalog, &query).await, expected);
        // A place of an easier difficulty lies before all of it.
        query.after = Some(Cursor::from(&page.challenges[0]));
        assert_eq!(titles(&catalog, &query).await, expected[1..]);
    }
}

pub async fn odd_values_that_others_wrote_are_listed(catalog: Catalog) {
    let insert =
        "INSERT INTO approach_challenges (id, difficulty, title, description, points) VALUES
        ('00000000-0000-0000-0000-000000000000', 'beginner', '', NULL, -2147483648),
        ('00000000-0000-4000-8000-000000000001', 'beginner', 'null points', NULL, NULL)";
    catalog.execute(insert).await;
    let page = catalog.store.list(&all(10)).await.unwrap().value;
    let seen: Vec<_> = page
        .challenges
        .iter()
        .map(|found| {
            (
                found.title.as_str(),
                found.description.as_str(),
                found.points,
            )
        })
        .collect();
    assert_eq!(seen, [("", "", i32::MIN), ("null points", "", 10)]);
}

pub async fn a_row_reads_back_as_it_was_written(catalog: Catalog) {
    let new = challenge(1, "advanced", 77, "Ünï 'quoted' \"title\" 日本");
    let without_tip = without_texts(challenge(2, "beginner", 0, "two"));
    let rows = [new.clone(), without_tip];
    assert_eq!(catalog.store.insert_missing(&rows).await.unwrap(), 2);
    let head = catalog.head().await;
    let found = catalog.store.find_many(&[id(1), id(2)]).await.unwrap();
    assert_eq!(found.version.stamp.seq, head);
    let first = found.value.iter().find(|row| row.id == id(1)).unwrap();
    assert_eq!(
        (&first.title, &first.description, first.points, &first.tips),
        (&new.title, &new.description, 77, &new.tips)
    );
    assert_eq!(first.difficulty, Difficulty::Advanced);
    // Later than this was written, and in microseconds.
    let year_2025 = UnixMicros(1_735_689_600_000_000);
    let year_2520 = UnixMicros(year_2025.0 * 10);
    for time in [first.created_at.unwrap(), first.updated_at.unwrap()] {
        assert!((year_2025..year_2520).contains(&time), "{time:?}");
    }
    let second = found.value.iter().find(|row| row.id == id(2)).unwrap();
    assert_eq!((second.description.as_str(), &second.tips), ("", &None));
}

fn without_texts(
    mut new: challenges_catalog::domain::NewChallenge,
) -> challenges_catalog::domain::NewChallenge {
    new.tips = None;
    new.description = String::new();
    new
}

pub async fn ids_that_are_not_there_are_left_out_and_the_stamp_is_not(catalog: Catalog) {
    let head = catalog.head().await;
    let none = catalog.store.find_many(&[id(1), id(2)]).await.unwrap();
    assert!(none.value.is_empty());
    assert_eq!(none.version.stamp.seq, head);
    let new = challenge(2, "beginner", 10, "two");
    catalog.store.insert_missing(&[new]).await.unwrap();
    catalog.head().await;
    let some = catalog
        .store
        .find_many(&[id(1), id(2), id(2)])
        .await
        .unwrap();
    assert_eq!(some.value.len(), 1);
    assert!(some.version.stamp > none.version.stamp);
}

pub async fn an_update_moves_updated_at_unless_it_sets_it(catalog: Catalog) {
    let new = challenge(1, "beginner", 10, "one");
    catalog.store.insert_missing(&[new]).await.unwrap();
    let read = async || catalog.store.find_many(&[id(1)]).await.unwrap().value[0].updated_at;
    catalog
        .execute("UPDATE approach_challenges SET updated_at = NULL, title = 'a'")
        .await;
    assert_eq!(read().await, None);
    catalog
        .execute("UPDATE approach_challenges SET title = 'b'")
        .await;
    assert!(read().await.is_some());
}

pub async fn the_key_of_page_tokens_stays_the_same(catalog: Catalog) {
    let key = catalog.store.page_token_key().await.unwrap();
    assert_eq!(catalog.store.page_token_key().await.unwrap(), key);
    assert!(key.iter().collect::<HashSet<_>>().len() > 8);
}

pub async fn a_fresh_migration_is_checked_and_filled(catalog: Catalog) {
    catalog.store.check().await.unwrap();
    catalog.store.fill_pools().await.unwrap();
    catalog.store.prune().await.unwrap();
    let stamp = catalog.store.list(&all(1)).await.unwrap().version.stamp;
    assert_ne!(stamp, Stamp::default());
    catalog.store.close().await;
    let closed = catalog.store.list(&all(1)).await.unwrap_err();
    assert!(matches!(closed, Error::Unavailable { .. }), "{closed:?}");
}
