//! The calls of `FeatureFlags`, and what they refuse.
use challenges_catalog::pb::admin::v1::{
    FeatureFlag, GetFeatureFlagRequest, ResetFeatureFlagRequest, UpdateFeatureFlagRequest,
    ValueSource,
};
use prost_types::FieldMask;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::client::{all, flags, get, reset, set_flag, switch, update};
use crate::support::{
    refusal::{Refusal, refusal},
    replica::Replica,
};

const NAMES: [&str; 5] = [
    "challenges_catalog",
    "ai_tips",
    "shared_cache",
    "near_cache",
    "stale_while_unavailable",
];

#[tokio::test]
async fn every_flag_is_listed_with_who_decided_it() {
    let settings = [
        ("CATALOG_NEAR_CACHE", "no".to_owned()),
        ("CATALOG_ENVIRONMENT", "production".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let listed = all(&replica).await;
    let names: Vec<_> = listed.iter().map(|flag| flag.name.as_str()).collect();
    assert_eq!(names, NAMES);
    for flag in &listed {
        assert!(!flag.description.is_empty() && !flag.etag.is_empty());
        let is_given = flag.name == "near_cache";
        let source = if is_given {
            ValueSource::Settings
        } else {
            ValueSource::Default
        };
        assert_eq!(
            (flag.enabled, flag.source()),
            (!is_given, source),
            "{flag:?}"
        );
        assert_eq!(flag.has_rollout, flag.name == "ai_tips");
    }
    let on = UpdateFeatureFlagRequest {
        environment: Some("production".to_owned()),
        ..switch("near_cache", true)
    };
    let answer = update(&replica, on).await.unwrap();
    let flag = answer.flag.unwrap();
    assert_eq!(
        (flag.enabled, flag.source()),
        (true, ValueSource::EnvironmentRow)
    );
    assert!(!flag.enabled_without_row && !answer.version.is_empty());
    set_flag(&replica, "shared_cache", false).await;
    assert_eq!(
        get(&replica, "shared_cache").await.source(),
        ValueSource::AllRow
    );
    let gone = reset(&replica, "near_cache").await;
    assert_eq!(
        (gone.enabled, gone.source()),
        (false, ValueSource::Settings)
    );
    assert_eq!(reset(&replica, "near_cache").await, gone, "nothing to do");
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_the_row_tells_who_made_it() {
    let replica = Replica::start(&[]).await;
    let mut client = flags(&replica).await;
    let mut request = Request::new(UpdateFeatureFlagRequest {
        name: "ai_tips".to_owned(),
        rollout_percentage: Some(30),
        comment: Some("carefully".to_owned()),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert("x-caller-id", "ann@example.org".parse().unwrap());
    let answer = client
        .update_feature_flag(request)
        .await
        .unwrap()
        .into_inner();
    let first = answer.flag.unwrap();
    assert_eq!((first.enabled, first.rollout_percentage), (true, 30));
    assert_eq!(
        (first.created_by.as_str(), first.updated_by.as_str()),
        ("ann@example.org", "ann@example.org")
    );
    let second = set_flag(&replica, "ai_tips", false).await.flag.unwrap();
    assert_eq!((second.enabled, second.rollout_percentage), (false, 30));
    assert_eq!(
        (second.comment.as_str(), second.environment.as_str()),
        ("carefully", "all")
    );
    assert_eq!(
        (second.created_by.as_str(), second.updated_by.as_str()),
        ("ann@example.org", "")
    );
    // What is given and not in the mask stays as it is.
    let masked = UpdateFeatureFlagRequest {
        rollout_percentage: Some(60),
        update_mask: Some(FieldMask {
            paths: vec!["rollout_percentage".to_owned()],
        }),
        ..switch("ai_tips", true)
    };
    let third = update(&replica, masked).await.unwrap().flag.unwrap();
    assert_eq!((third.enabled, third.rollout_percentage), (false, 60));
}

#[tokio::test]
async fn a_change_of_what_was_changed_since_is_refused_with_the_etag_now() {
    let replica = Replica::start(&[]).await;
    let seen = get(&replica, "near_cache").await.etag;
    let change = |etag: &str| UpdateFeatureFlagRequest {
        etag: etag.to_owned(),
        ..switch("near_cache", false)
    };
    let first = update(&replica, change(&seen)).await.unwrap().flag.unwrap();
    assert_ne!(first.etag, seen);
    let refused = update(&replica, change(&seen)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "ETAG_MISMATCH");
    assert_eq!(info.metadata["current_etag"], first.etag);
    let request = |etag: &str| ResetFeatureFlagRequest {
        name: "near_cache".to_owned(),
        etag: etag.to_owned(),
        environment: None,
    };
    let mut client = flags(&replica).await;
    let late = refusal(client.reset_feature_flag(request(&seen)).await);
    assert_eq!(late, Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[]));
    client
        .reset_feature_flag(request(&first.etag))
        .await
        .unwrap();
    assert_eq!(
        get(&replica, "near_cache").await.etag,
        seen,
        "as it was without a row"
    );
}

#[tokio::test]
async fn the_row_of_another_environment_is_changed_only_when_one_is_named() {
    let replica = Replica::start(&[("CATALOG_ENVIRONMENT", "production".to_owned())]).await;
    let of = |environment: &str, enabled| UpdateFeatureFlagRequest {
        environment: Some(environment.to_owned()),
        ..switch("near_cache", enabled)
    };
    let elsewhere = update(&replica, of("staging", false)).await.unwrap();
    let flag = elsewhere.flag.unwrap();
    assert_eq!(
        (flag.enabled, flag.source(), flag.environment.as_str()),
        (true, ValueSource::Default, "")
    );
    let refused = update(&replica, switch("near_cache", false))
        .await
        .unwrap_err();
    let details = refused.get_error_details();
    assert_eq!(
        details.error_info().unwrap().metadata["environment"],
        "staging"
    );
    assert_eq!(
        Refusal::from(refused),
        Refusal::new(Code::FailedPrecondition, "FLAG_OF_OTHER_ENVIRONMENT", &[])
    );
    let here = update(&replica, of("production", false)).await.unwrap();
    assert_eq!(here.flag.unwrap().source(), ValueSource::EnvironmentRow);
}

#[tokio::test]
async fn the_row_of_another_environment_is_shown_and_its_etag_changes_and_resets_it() {
    let replica = Replica::start(&[("CATALOG_ENVIRONMENT", "staging".to_owned())]).await;
    let bare = get(&replica, "ai_tips").await;
    let there = |etag: &str, enabled| UpdateFeatureFlagRequest {
        environment: Some("production".to_owned()),
        rollout_percentage: Some(25),
        comment: Some("slowly".to_owned()),
        etag: etag.to_owned(),
        ..switch("ai_tips", enabled)
    };
    let first = update(&replica, there(&bare.etag, true)).await.unwrap();
    let shown = get(&replica, "ai_tips").await;
    assert_eq!(first.flag.as_ref(), Some(&shown));
    assert_eq!(
        (shown.source(), shown.environment.as_str()),
        (bare.source(), "")
    );
    assert_eq!(
        (shown.comment.as_str(), shown.update_time.is_some()),
        ("slowly", true)
    );
    let says = |flag: &FeatureFlag| {
        let row = flag.elsewhere.clone().unwrap();
        (row.environment, row.enabled, row.rollout_percentage)
    };
    assert_eq!(says(&shown), ("production".to_owned(), true, 25));
    let late = update(&replica, there(&bare.etag, false)).await;
    assert_eq!(
        refusal(late),
        Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[])
    );
    let off = update(&replica, there(&shown.etag, false)).await.unwrap();
    let off = off.flag.unwrap();
    assert_eq!(says(&off), ("production".to_owned(), false, 25));

    let mut client = flags(&replica).await;
    let request = |environment: Option<&str>, etag: &str| ResetFeatureFlagRequest {
        name: "ai_tips".to_owned(),
        etag: etag.to_owned(),
        environment: environment.map(str::to_owned),
    };
    let unnamed = refusal(client.reset_feature_flag(request(None, "")).await);
    let other = Refusal::new(Code::FailedPrecondition, "FLAG_OF_OTHER_ENVIRONMENT", &[]);
    assert_eq!(unnamed, other);
    let none = client.reset_feature_flag(request(Some("all"), "")).await;
    assert_eq!(
        none.unwrap().into_inner().flag.unwrap(),
        off,
        "nothing to do"
    );
    let bad = refusal(client.reset_feature_flag(request(Some("All"), "")).await);
    assert_eq!(bad, Refusal::invalid(&["environment"]));
    let late = client.reset_feature_flag(request(Some("production"), &shown.etag));
    assert_eq!(
        refusal(late.await),
        Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[])
    );
    let gone = client.reset_feature_flag(request(Some("production"), &off.etag));
    assert_eq!(gone.await.unwrap().into_inner().flag.unwrap(), bare);
}

#[tokio::test]
async fn an_unknown_name_is_refused_with_those_that_there_are() {
    let replica = Replica::start(&[]).await;
    let mut client = flags(&replica).await;
    for name in ["near-cache", "NEAR_CACHE", "x\u{1b}y", &"x".repeat(5_000)] {
        let request = GetFeatureFlagRequest {
            name: name.to_owned(),
        };
        let refused = client.get_feature_flag(request).await.unwrap_err();
        for known in NAMES {
            assert!(refused.message().contains(known), "{}", refused.message());
        }
        assert!(refused.message().len() < 1_000);
        let unknown = Refusal::new(Code::NotFound, "FEATURE_FLAG_NOT_FOUND", &[]);
        assert_eq!(Refusal::from(refused), unknown, "{name}");
        assert_eq!(
            refusal(update(&replica, switch(name, true)).await),
            unknown,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_not_given_is_a_field_that_is_wrong() {
    let replica = Replica::start(&[]).await;
    let request = GetFeatureFlagRequest::default();
    let refused = flags(&replica).await.get_feature_flag(request).await;
    assert_eq!(refusal(refused), Refusal::invalid(&["name"]));
    let refused = refusal(update(&replica, switch("", true)).await);
    assert_eq!(refused, Refusal::invalid(&["name"]));
}

#[tokio::test]
async fn all_that_is_wrong_with_a_change_is_named_at_once_and_nothing_is_changed() {
    let replica = Replica::start(&[]).await;
    let before = all(&replica).await;
    let mask = |paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Some(FieldMask { paths })
    };
    let tips = || UpdateFeatureFlagRequest {
        name: "ai_tips".to_owned(),
        ..Default::default()
    };
    for (request, fields) in [
        (tips(), &["update_mask"][..]),
        (
            UpdateFeatureFlagRequest {
                rollout_percentage: Some(101),
                comment: Some("a\nb".to_owned()),
                environment: Some("Production".to_owned()),
                etag: "etag".to_owned(),
                ..tips()
            },
            &["rollout_percentage", "comment", "environment", "etag"],
        ),
        (
            UpdateFeatureFlagRequest {
                rollout_percentage: Some(-1),
                comment: Some("x".repeat(1_001)),
                environment: Some(String::new()),
                ..tips()
            },
            &["rollout_percentage", "comment", "environment"],
        ),
        (
            UpdateFeatureFlagRequest {
                enabled: Some(true),
                update_mask: mask(&["*", "enabled", "comment"]),
                ..tips()
            },
            &["update_mask.paths[0]", "comment"],
        ),
        (
            UpdateFeatureFlagRequest {
                rollout_percentage: Some(50),
                ..switch("near_cache", true)
            },
            &["rollout_percentage"],
        ),
    ] {
        let refused = refusal(update(&replica, request).await);
        assert_eq!(refused, Refusal::invalid(fields));
    }
    let mut named = Request::new(switch("ai_tips", false));
    named
        .metadata_mut()
        .insert("x-caller-id", "two words".parse().unwrap());
    let refused = flags(&replica).await.update_feature_flag(named).await;
    assert_eq!(refusal(refused), Refusal::invalid(&["x-caller-id"]));
    assert_eq!(all(&replica).await, before);
}
