use futures_util::FutureExt;
use tonic::Code;

use super::*;
use crate::domain::Flag;

const SERVING: ServingStatus = ServingStatus::Serving;
const NOT_SERVING: ServingStatus = ServingStatus::NotServing;

fn asks(name: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest {
        service: name.to_owned(),
    })
}

async fn check(health: &HealthState, name: &str) -> Result<ServingStatus, Code> {
    let answer = HealthTransport::new(health.clone()).check(asks(name)).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

async fn list(health: &HealthState) -> Result<HealthListResponse, Status> {
    let asked = Request::new(HealthListRequest {});
    let answer = HealthTransport::new(health.clone()).list(asked).await;
    answer.map(Response::into_inner)
}

struct Watching(BoxStream<'static, Result<HealthCheckResponse, Status>>);

/// What a watch tells at once.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Status(ServingStatus),
    Nothing,
    End,
}

impl Watching {
    async fn of(health: &HealthState, name: &str) -> Self {
        let answer = HealthTransport::new(health.clone()).watch(asks(name)).await;
        Self(answer.unwrap().into_inner())
    }

    fn told(&mut self) -> Told {
        match self.0.next().now_or_never() {
            Some(Some(change)) => Told::Status(change.unwrap().status()),
            Some(None) => Told::End,
            None => Told::Nothing,
        }
    }
}

#[tokio::test]
async fn a_replica_that_starts_lives_and_is_ready_for_nothing() {
    let health = HealthState::starting();
    assert_eq!(check(&health, "liveness").await, Ok(SERVING));
    for name in [
        "",
        "readiness",
        "startup",
        "challenges.catalog.v1.ChallengesCatalog",
    ] {
        assert_eq!(check(&health, name).await, Ok(NOT_SERVING), "{name:?}");
    }
    let unknown = check(&health, "no.such.Service").await;
    assert_eq!(unknown, Err(Code::NotFound));
}

#[tokio::test]
async fn the_catalog_serves_only_while_it_is_open_and_nothing_is_ready_again_after_leaving() {
    let health = HealthState::starting();
    let catalog = "challenges.catalog.v1.ChallengesCatalog";
    health.note_open(false);
    health.set_ready(true);
    assert_eq!(check(&health, "").await, Ok(SERVING));
    assert_eq!(check(&health, catalog).await, Ok(NOT_SERVING));
    health.note_open(true);
    health.set_ready(true);
    assert_eq!(check(&health, catalog).await, Ok(SERVING));
    health.leave();
    health.set_ready(true);
    for name in ["", "readiness", catalog] {
        assert_eq!(check(&health, name).await, Ok(NOT_SERVING), "{name:?}");
    }
}

#[tokio::test]
async fn a_list_has_every_name_up_to_a_hundred_of_them() {
    let health = HealthState::starting();
    health.set_feature(Flag::AiTips, super::super::Feature::Broken);
    let all = list(&health).await.unwrap().statuses;
    assert_eq!(all.len(), 6);
    assert_eq!(all[""].status(), NOT_SERVING);
    assert_eq!(all["feature/ai_tips"].status(), ServingStatus::Unknown);
    for number in 6..NAMES_MAX {
        health.set(&format!("dependency/{number}"), true);
    }
    assert_eq!(list(&health).await.unwrap().statuses.len(), NAMES_MAX);
    health.set("dependency/more", true);
    let refused = list(&health).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_watch_tells_each_change_once() {
    let health = HealthState::starting();
    let mut watching = Watching::of(&health, "").await;
    assert_eq!(watching.told(), Told::Status(NOT_SERVING));
    assert_eq!(watching.told(), Told::Nothing);
    health.set("dependency/redis", true);
    health.set_ready(false);
    assert_eq!(
        watching.told(),
        Told::Nothing,
        "nothing changed for this name"
    );
    health.set_ready(true);
    assert_eq!(watching.told(), Told::Status(SERVING));
    assert_eq!(watching.told(), Told::Nothing);
}

#[tokio::test]
async fn an_unknown_name_is_watched_until_it_is_known() {
    let health = HealthState::starting();
    let mut watching = Watching::of(&health, "dependency/redis").await;
    assert_eq!(watching.told(), Told::Status(ServingStatus::ServiceUnknown));
    health.set_ready(true);
    assert_eq!(watching.told(), Told::Nothing);
    health.set("dependency/redis", true);
    assert_eq!(watching.told(), Told::Status(SERVING));
}

#[tokio::test]
async fn who_reads_late_is_told_how_it_stands_and_not_what_was_missed() {
    let health = HealthState::starting();
    let mut watching = Watching::of(&health, "").await;
    assert_eq!(watching.told(), Told::Status(NOT_SERVING));
    for _ in 0..1000 {
        health.set_ready(true);
        health.set_ready(false);
    }
    assert_eq!(watching.told(), Told::Nothing, "it stands as was told");
    for _ in 0..1000 {
        health.set_ready(false);
        health.set_ready(true);
    }
    assert_eq!(watching.told(), Told::Status(SERVING));
    assert_eq!(watching.told(), Told::Nothing);
}

#[tokio::test]
async fn at_the_end_a_watch_tells_the_last_word_and_ends_and_a_check_is_answered() {
    let health = HealthState::starting();
    health.set_started();
    health.set_ready(true);
    let mut ready = Watching::of(&health, "").await;
    let mut alive = Watching::of(&health, "liveness").await;
    let mut unknown = Watching::of(&health, "no.such.Service").await;
    assert_eq!(ready.told(), Told::Status(SERVING));
    assert_eq!(alive.told(), Told::Status(SERVING));
    assert_eq!(unknown.told(), Told::Status(ServingStatus::ServiceUnknown));
    health.leave();
    assert_eq!(ready.told(), Told::Status(NOT_SERVING));
    assert_eq!(ready.told(), Told::Nothing, "it stays open until the drain");
    health.close();
    health.set_started();
    for watching in [&mut ready, &mut alive, &mut unknown] {
        assert_eq!(watching.told(), Told::End);
    }
    let mut late = Watching::of(&health, "startup").await;
    assert_eq!(late.told(), Told::Status(NOT_SERVING));
    assert_eq!(late.told(), Told::End);
    assert_eq!(check(&health, "").await, Ok(NOT_SERVING));
    assert_eq!(check(&health, "liveness").await, Ok(SERVING));
}
