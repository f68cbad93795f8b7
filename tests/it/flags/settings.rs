//! The calls of `RuntimeSettings`, and that what they set is in force everywhere.
use std::{
    cell::Cell,
    time::{Duration, UNIX_EPOCH},
};

use challenges_catalog::pb::{
    admin::v1::{
        ListRuntimeSettingsRequest, ResetRuntimeSettingRequest, RuntimeSetting,
        UpdateRuntimeSettingRequest, ValueSource,
    },
    catalog::v1::{Difficulty, StreamTipsRequest},
};
use tonic::{Code, Status};

use super::client::settings;
use crate::support::{
    fleet::{Fleet, list},
    refusal::{Refusal, refusal},
    replica::Replica,
    wait::eventually,
};

const WITHIN: Duration = Duration::from_secs(2);

/// A setting to be changed.
pub fn set(name: &str, value: i64) -> UpdateRuntimeSettingRequest {
    UpdateRuntimeSettingRequest {
        name: name.to_owned(),
        value: Some(value),
        ..Default::default()
    }
}

pub async fn update(
    replica: &Replica,
    request: UpdateRuntimeSettingRequest,
) -> Result<RuntimeSetting, Status> {
    let answer = settings(replica)
        .await
        .update_runtime_setting(request)
        .await;
    answer.map(|answer| answer.into_inner().setting.unwrap())
}

async fn all(replica: &Replica) -> Vec<RuntimeSetting> {
    let request = ListRuntimeSettingsRequest {};
    let answer = settings(replica).await.list_runtime_settings(request).await;
    answer.unwrap().into_inner().settings
}

pub async fn get(replica: &Replica, name: &str) -> RuntimeSetting {
    let mut all = all(replica).await.into_iter();
    all.find(|setting| setting.name == name).unwrap()
}

#[tokio::test]
async fn every_setting_is_listed_with_its_range_and_who_decided_it() {
    let given = [
        ("CHALLENGES_CACHE_TTL", "90".to_owned()),
        ("CATALOG_ENVIRONMENT", "production".to_owned()),
    ];
    let replica = Replica::start(&given).await;
    let listed = all(&replica).await;
    assert_eq!(listed.len(), 8);
    for setting in &listed {
        assert!(
            (setting.min..=setting.max).contains(&setting.value),
            "{setting:?}"
        );
        let is_given = setting.name == "cache_ttl_ms";
        let source = if is_given {
            ValueSource::Settings
        } else {
            ValueSource::Default
        };
        assert_eq!(setting.source(), source, "{setting:?}");
    }
    assert_eq!(listed[0].value, 90_000);
    let for_all = update(&replica, set("cache_ttl_ms", 60_000)).await.unwrap();
    assert_eq!(
        (for_all.value, for_all.source()),
        (60_000, ValueSource::AllRow)
    );
    let own = UpdateRuntimeSettingRequest {
        environment: Some("production".to_owned()),
        ..set("cache_ttl_ms", 30_000)
    };
    let own = update(&replica, own).await.unwrap();
    assert_eq!(
        (own.value, own.source()),
        (30_000, ValueSource::EnvironmentRow)
    );
    assert_eq!(own.value_without_row, 90_000);
    let reset = async || {
        let request = ResetRuntimeSettingRequest {
            name: "cache_ttl_ms".to_owned(),
            ..Default::default()
        };
        let answer = settings(&replica)
            .await
            .reset_runtime_setting(request)
            .await;
        let setting = answer.unwrap().into_inner().setting.unwrap();
        (setting.value, setting.source())
    };
    assert_eq!(reset().await, (60_000, ValueSource::AllRow));
    assert_eq!(reset().await, (90_000, ValueSource::Settings));
    assert_eq!(reset().await, (90_000, ValueSource::Settings));
}

#[tokio::test]
async fn another_time_to_live_holds_on_every_replica_for_what_is_loaded_next() {
    let fleet = Fleet::start(2).await;
    update(&fleet.replicas[0], set("cache_ttl_ms", 3_600_000))
        .await
        .unwrap();
    for (replica, page_size) in fleet.replicas.iter().zip([41, 42]) {
        eventually("it heard of it", WITHIN, async || {
            get(replica, "cache_ttl_ms").await.value == 3_600_000
        })
        .await;
        // The replica applies it within one interval.
        let size = Cell::new(page_size);
        eventually("it is in force", WITHIN, async || {
            size.set(size.get() + 2);
            let answer = list(replica, Difficulty::Beginner, size.get()).await;
            let answer = answer.unwrap();
            let expires = answer.cache_expire_time.unwrap().seconds;
            let now = now_secs();
            expires - now > 3_000
        })
        .await;
    }
}

fn now_secs() -> i64 {
    let since_epoch = UNIX_EPOCH.elapsed().unwrap();
    since_epoch.as_secs().try_into().unwrap()
}

#[tokio::test]
async fn another_limit_for_callers_holds_for_their_next_stream() {
    let replica = Replica::start(&[]).await;
    let client = replica.client().await;
    let question = || StreamTipsRequest {
        challenge_id: "7368dad2-43a3-4359-95c9-2405f700f00e".to_owned(),
        ..Default::default()
    };
    update(&replica, set("tip_streams_per_minute", 2))
        .await
        .unwrap();
    let too_much = Refusal::new(Code::ResourceExhausted, "RATE_LIMITED", &[]);
    eventually("the limit is in force", WITHIN, async || {
        let mut client = client.clone();
        let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
        match stream.message().await {
            Ok(_) => false,
            Err(status) => {
                assert_eq!(Refusal::from(status), too_much);
                true
            }
        }
    })
    .await;
    update(&replica, set("tip_streams_per_minute", 1_000_000))
        .await
        .unwrap();
    eventually("the limit is gone", WITHIN, async || {
        let mut client = client.clone();
        let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
        stream.message().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_and_nothing_is_changed() {
    let replica = Replica::start(&[]).await;
    let before = all(&replica).await;
    let wrong = UpdateRuntimeSettingRequest {
        comment: Some("\u{7}".to_owned()),
        environment: Some("two words".to_owned()),
        etag: "x".to_owned(),
        ..set("cache_ttl_ms", 60_000)
    };
    let stale = UpdateRuntimeSettingRequest {
        etag: "W/\"AAAAAAAAAAA\"".to_owned(),
        ..set("cache_ttl_ms", 60_000)
    };
    for (request, refused) in [
        (set("cache_ttl_ms", 999), Refusal::invalid(&["value"])),
        (set("cache_ttl_ms", i64::MAX), Refusal::invalid(&["value"])),
        (
            set("tip_daily_budget_micro_usd", -1),
            Refusal::invalid(&["value"]),
        ),
        (set("tip_streams_at_once", 0), Refusal::invalid(&["value"])),
        (wrong, Refusal::invalid(&["comment", "environment", "etag"])),
        (stale, Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[])),
        (
            set("cache_ttl", 60_000),
            Refusal::new(Code::NotFound, "RUNTIME_SETTING_NOT_FOUND", &[]),
        ),
    ] {
        assert_eq!(refusal(update(&replica, request).await), refused);
    }
    assert_eq!(all(&replica).await, before);
}

#[tokio::test]
async fn a_call_that_says_no_value_is_refused_and_does_not_lift_the_budget() {
    let replica = Replica::start(&[]).await;
    let budget = "tip_daily_budget_micro_usd";
    update(&replica, set(budget, 5_000_000)).await.unwrap();
    let remark = UpdateRuntimeSettingRequest {
        name: budget.to_owned(),
        comment: Some("half until Friday".to_owned()),
        ..Default::default()
    };
    let status = update(&replica, remark).await.unwrap_err();
    assert!(
        status.message().contains("value: must be given"),
        "{status:?}"
    );
    assert_eq!(Refusal::from(status), Refusal::invalid(&["value"]));
    let setting = get(&replica, budget).await;
    assert_eq!((setting.value, setting.comment.as_str()), (5_000_000, ""));
    let unlimited = update(&replica, set(budget, 0)).await.unwrap();
    assert_eq!(
        (unlimited.value, unlimited.source()),
        (0, ValueSource::AllRow)
    );
}
