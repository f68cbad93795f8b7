//! Lists: what is in them, and in which order.
use challenges_catalog::pb::catalog::v1::{Challenge, Difficulty, ListChallengesRequest};

use crate::support::{fleet::list, replica::Replica};

/// The documented order: difficulty, points, title, id.
fn place(challenge: &Challenge) -> (i32, i32, String, String) {
    let Challenge {
        difficulty,
        points,
        title,
        id,
        ..
    } = challenge.clone();
    (difficulty, points, title, id)
}

#[tokio::test]
async fn without_any_setting_twelve_or_more_challenges_are_listed_in_order() {
    let replica = Replica::start(&[]).await;
    let request = ListChallengesRequest::default();
    let list = replica.client().await.list_challenges(request).await;
    let list = list.unwrap().into_inner();
    assert!(list.challenges.len() >= 12);
    assert_eq!(usize::try_from(list.total_count), Ok(list.challenges.len()));
    assert_eq!(list.difficulty_filter(), Difficulty::Unspecified);
    assert_eq!(list.next_page_token, "");
    assert!(list.challenges.iter().map(place).is_sorted());
    for challenge in &list.challenges {
        assert_eq!(challenge.id, challenge.id.to_lowercase());
        assert!(!challenge.title.is_empty() && !challenge.description.is_empty());
        assert!(challenge.create_time.is_some());
    }
}

#[tokio::test]
async fn a_filtered_list_has_all_of_its_difficulty_and_nothing_else() {
    let replica = Replica::start(&[]).await;
    let all = list(&replica, Difficulty::Unspecified, 100).await.unwrap();
    for difficulty in [
        Difficulty::Beginner,
        Difficulty::Intermediate,
        Difficulty::Advanced,
    ] {
        let filtered = list(&replica, difficulty, 0).await.unwrap();
        let expected = all.challenges.iter();
        let expected: Vec<_> = expected
            .filter(|challenge| challenge.difficulty() == difficulty)
            .cloned()
            .collect();
        assert!(expected.len() >= 4, "{difficulty:?}");
        assert_eq!(filtered.challenges, expected);
        assert_eq!(usize::try_from(filtered.total_count), Ok(expected.len()));
        assert_eq!(filtered.difficulty_filter(), difficulty);
    }
}

#[tokio::test]
async fn a_page_has_fifty_challenges_unless_the_caller_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.json");
    let row = |number: usize| {
        let id = uuid::Uuid::new_v4();
        format!(r#"{{"id":"{id}","difficulty":"advanced","title":"Number {number}","points":40}}"#)
    };
    let rows: Vec<_> = (0..60).map(row).collect();
    std::fs::write(&file, format!("[{}]", rows.join(","))).unwrap();
    let url = format!("sqlite:{}", folder.path().join("many.sqlite").display());
    let environment = [("DATABASE_URL", url)];
    crate::support::program::run_well(&["migrate", "up"], &environment).await;
    let seed = ["seed", "--file", file.to_str().unwrap()];
    crate::support::program::run_well(&seed, &environment).await;

    let replica = Replica::start(&environment).await;
    for (page_size, length) in [(0, 50), (1, 1), (50, 50), (100, 60)] {
        let page = list(&replica, Difficulty::Unspecified, page_size)
            .await
            .unwrap();
        assert_eq!(page.challenges.len(), length, "{page_size}");
        assert_eq!(page.total_count, 60);
        assert_eq!(page.next_page_token.is_empty(), length == 60);
    }
}
