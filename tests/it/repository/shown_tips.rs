//! Facts about the tips that the catalog shows, for the contract.
use challenges_catalog::domain::{Challenge, Difficulty, Tip, TipOrigin, content_hash};

use super::{
    fixture::{Catalog, challenge, id},
    reads::all,
    tips::{days_from_now, origin, tip},
};

/// For challenge `number` as [`fill`] adds it.
fn fitting(number: u32) -> TipOrigin {
    let title = format!("title {number}");
    TipOrigin {
        content: content_hash(&title, "what to do", Difficulty::Beginner),
        ..origin(number)
    }
}

/// Adds challenges 1 to 3.
async fn fill(catalog: &Catalog) {
    let rows = [1, 2, 3].map(|n| challenge(n, "beginner", 10, &format!("title {n}")));
    catalog.store.insert_missing(&rows).await.unwrap();
}

/// Keeps a tip long after others were shown, so that it is shown at once.
async fn save(catalog: &Catalog, tip: &Tip, origin: &TipOrigin) {
    catalog.age_showing().await;
    assert!(catalog.store.save(tip, origin).await.unwrap(), "{tip:?}");
}

/// The written tip of challenge 1, which lists and reads by id agree on.
async fn written(catalog: &Catalog) -> Option<String> {
    let page = catalog.store.list(&all(10)).await.unwrap();
    let by_id = catalog.store.find_many(&[id(1)]).await.unwrap();
    assert_eq!(page.version, by_id.version);
    let in_list = page.value.challenges.into_iter();
    let in_list: Vec<Challenge> = in_list.filter(|one| one.id == id(1)).collect();
    assert_eq!(in_list, by_id.value);
    by_id.value.into_iter().next().unwrap().written_tip
}

pub async fn a_challenge_has_its_tip_in_lists_and_by_id_and_no_other_has_it(catalog: Catalog) {
    fill(&catalog).await;
    assert_eq!(written(&catalog).await, None);
    save(&catalog, &tip(1, 1, "written"), &fitting(1)).await;
    assert_eq!(written(&catalog).await.as_deref(), Some("written"));
    let page = catalog.store.list(&all(10)).await.unwrap().value;
    let shown: Vec<_> = page.challenges.iter().map(Challenge::shown_tip).collect();
    assert_eq!(shown, [Some("written"), Some("a tip"), Some("a tip")]);
    assert_eq!(page.total_count, 3);
}

pub async fn a_tip_for_other_texts_is_not_shown_until_they_fit_again(catalog: Catalog) {
    fill(&catalog).await;
    save(&catalog, &tip(1, 1, "written"), &fitting(1)).await;
    for (change, back) in [
        ("title = 'other'", "title = 'title 1'"),
        ("description = NULL", "description = 'what to do'"),
        ("difficulty = 'advanced'", "difficulty = 'beginner'"),
    ] {
        for (set, shown) in [(change, None), (back, Some("written"))] {
            let update =
                format!("UPDATE approach_challenges SET {set} WHERE title IN ('title 1', 'other')");
            catalog.execute(&update).await;
            assert_eq!(written(&catalog).await.as_deref(), shown, "{set}");
        }
    }
    catalog
        .execute("UPDATE approach_challenges SET points = 99, tips = 'another'")
        .await;
    assert_eq!(written(&catalog).await.as_deref(), Some("written"));
}

pub async fn the_newest_of_two_tips_is_shown_and_of_one_the_latest_epoch(catalog: Catalog) {
    fill(&catalog).await;
    let older = Tip {
        created_at: days_from_now(-1),
        ..tip(1, 1, "older")
    };
    // In this order, and again in the other one.
    save(&catalog, &older, &fitting(1)).await;
    save(&catalog, &tip(2, 1, "newer"), &fitting(1)).await;
    assert_eq!(written(&catalog).await.as_deref(), Some("newer"));
    let older_still = Tip {
        key: tip(3, 1, "").key,
        ..older.clone()
    };
    save(&catalog, &older_still, &fitting(1)).await;
    assert_eq!(written(&catalog).await.as_deref(), Some("newer"));
    let by_a_slow_clock = Tip {
        created_at: days_from_now(-2),
        ..tip(2, 2, "of a later epoch")
    };
    save(&catalog, &by_a_slow_clock, &fitting(1)).await;
    assert_eq!(written(&catalog).await.as_deref(), Some("of a later epoch"));
}

pub async fn a_tip_that_is_not_to_be_shown_is_not(catalog: Catalog) {
    fill(&catalog).await;
    let in_german = TipOrigin {
        locale: "de".parse().unwrap(),
        shown: false,
        ..fitting(1)
    };
    save(&catalog, &tip(1, 1, "geschrieben"), &in_german).await;
    assert_eq!(written(&catalog).await, None);
}

pub async fn a_tip_whose_time_is_over_is_taken_out_by_pruning(catalog: Catalog) {
    fill(&catalog).await;
    let expired = Tip {
        expires_at: days_from_now(0),
        ..tip(1, 1, "expired")
    };
    save(&catalog, &expired, &fitting(1)).await;
    save(&catalog, &tip(2, 1, "current"), &fitting(2)).await;
    catalog.store.prune().await.unwrap();
    assert_eq!(written(&catalog).await, None);
    let second = catalog.store.find_many(&[id(2)]).await.unwrap().value;
    assert_eq!(second[0].shown_tip(), Some("current"));
}
