//! The seeds keep the promises that the catalog makes about them.
use std::{collections::HashSet, fs};

use challenges_catalog::domain::{Difficulty, JsonFields, NewChallenge};

fn seeds() -> Vec<NewChallenge> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/challenges.json");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<JsonFields> = serde_json::from_str(&text).unwrap();
    rows.into_iter().map(|row| row.check().unwrap()).collect()
}

#[test]
fn every_seed_may_be_written() {
    let seeds = seeds();
    let ids: HashSet<_> = seeds.iter().map(|seed| seed.id).collect();
    let titles: HashSet<_> = seeds.iter().map(|seed| &seed.title).collect();
    assert_eq!((ids.len(), titles.len()), (seeds.len(), seeds.len()));
    assert!(
        seeds
            .iter()
            .all(|seed| seed.id.uuid().get_version_num() == 4)
    );
}

#[test]
fn every_difficulty_has_five_seeds_with_its_points_and_a_tip() {
    let seeds = seeds();
    for difficulty in Difficulty::ALL {
        let points = match difficulty {
            Difficulty::Beginner => 10..=15,
            Difficulty::Intermediate => 20..=30,
            Difficulty::Advanced => 40..=100,
        };
        let of_it = seeds.iter().filter(|seed| seed.difficulty == difficulty);
        assert!(of_it.clone().count() >= 5, "{difficulty}");
        for seed in of_it {
            assert!(points.contains(&seed.points), "{}", seed.title);
            let tip = seed.tips.as_deref().unwrap_or_default();
            let sentences = tip.matches(['.', '?', '!']).count();
            assert!((2..=4).contains(&sentences), "{}", seed.title);
            assert!(!seed.description.is_empty(), "{}", seed.title);
        }
    }
}
