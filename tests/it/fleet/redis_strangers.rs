//! Somebody else writes into the same Redis: no answer comes of it, and the fleet's entries take their places back.
use bb8_redis::redis::cmd;
use challenges_catalog::pb::catalog::v1::{AnswerSource, Difficulty};

use crate::support::{
    fleet::{Fleet, list, titles},
    process::PATIENCE,
    wait::eventually,
};

/// Where a page of this size and difficulty is, once a replica gave it to Redis.
async fn key_of(fleet: &Fleet, difficulty: Difficulty, page_size: i32) -> String {
    let name = match difficulty {
        Difficulty::Beginner => "beginner",
        Difficulty::Advanced => "advanced",
        Difficulty::Intermediate | Difficulty::Unspecified => unreachable!("not asked for here"),
    };
    list(&fleet.replicas[0], difficulty, page_size)
        .await
        .unwrap();
    let find = cmd("KEYS")
        .arg(format!("catalog:*:list:{name}:{page_size}}}"))
        .take();
    eventually("Redis has it", PATIENCE, async || {
        let keys: Vec<String> = fleet.redis.ask(&find);
        !keys.is_empty()
    })
    .await;
    fleet.redis.ask::<Vec<String>>(&find).remove(0)
}

/// Whatever a stranger does to an entry, another replica answers with what the catalog has, and a third
/// finds that in Redis.
async fn is_answered_and_mended(harm: impl FnOnce(&Fleet, &str, &str)) -> Fleet {
    // A busy machine answers late, and then the database is asked.
    let fleet = Fleet::start_with(3, &[("CATALOG_REDIS_TIMEOUT", "1s")]).await;
    let other = key_of(&fleet, Difficulty::Advanced, 33).await;
    let key = key_of(&fleet, Difficulty::Beginner, 33).await;
    harm(&fleet, &key, &other);
    let [first, second, third] = &fleet.replicas[..] else {
        panic!("three replicas");
    };
    let expected = list(first, Difficulty::Beginner, 34).await.unwrap();
    let answer = list(second, Difficulty::Beginner, 33).await.unwrap();
    assert_eq!(titles(&answer), titles(&expected));
    assert_eq!(answer.freshness.unwrap().source(), AnswerSource::Database);
    let is_string = || fleet.redis.ask::<String>(cmd("TYPE").arg(&key)) == "string";
    let length = || fleet.redis.ask::<usize>(cmd("STRLEN").arg(&key));
    eventually("the fill arrives", PATIENCE, async || {
        is_string() && (100..1 << 20).contains(&length())
    })
    .await;
    let found = list(third, Difficulty::Beginner, 33).await.unwrap();
    assert_eq!(titles(&found), titles(&expected));
    assert_eq!(found.freshness.unwrap().source(), AnswerSource::SharedCache);
    for replica in &fleet.replicas {
        assert!(!replica.log().contains("goes on without"));
    }
    fleet
}

#[tokio::test]
async fn an_entry_that_a_stranger_changed() {
    let fleet = is_answered_and_mended(|fleet, key, _| {
        let end: i64 = fleet.redis.ask(cmd("STRLEN").arg(key));
        fleet
            .redis
            .ask::<()>(cmd("SETRANGE").arg(key).arg(end - 8).arg("somebody"));
    })
    .await;
    let found = "shared cache found an entry that this fleet did not write";
    let told = fleet
        .replicas
        .iter()
        .map(|replica| replica.log().matches(found).count());
    assert_eq!(
        told.collect::<Vec<_>>(),
        [0, 1, 0],
        "the one that met it tells it"
    );
}

#[tokio::test]
async fn an_entry_that_a_stranger_put_in_the_place_of_another() {
    is_answered_and_mended(|fleet, key, other| {
        let copy = cmd("COPY").arg(other).arg(key).arg("REPLACE").take();
        fleet.redis.ask::<()>(&copy);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_claims_to_be_newer_than_all() {
    is_answered_and_mended(|fleet, key, _| {
        let stamp = "f".repeat(24);
        fleet
            .redis
            .ask::<()>(cmd("SETRANGE").arg(key).arg(0).arg(stamp));
        fleet.redis.ask::<()>(cmd("PERSIST").arg(key));
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_type() {
    is_answered_and_mended(|fleet, key, _| {
        fleet.redis.ask::<()>(cmd("DEL").arg(key));
        fleet.redis.ask::<()>(cmd("SADD").arg(key).arg("x"));
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_a_hundred_megabytes() {
    is_answered_and_mended(|fleet, key, _| {
        fleet
            .redis
            .ask::<()>(cmd("SETRANGE").arg(key).arg(100 << 20).arg("x"));
    })
    .await;
}
