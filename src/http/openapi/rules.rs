//! What the service demands of fields beyond their types, and the contract says in words alone.
//!
//! A field is named as the contract names it, without `challenges.`; a test shows that each of them is there.
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::{Value, json};

use super::{
    demands::{a_difficulty, of_imported_challenges},
    patterns::{
        BASE64, CHALLENGE_MASK, COMMENT, ENVIRONMENT, ETAG, FLAG_MASK, HEARTBEAT, LOCALE, PERSONA,
        REQUEST_ID, TAG, TEXT, TITLE, UUID, UUID_OR_NONE, UUID_SHOWN, VERSION,
    },
};
use crate::domain::{
    Flag, POINTS_MAX, PageSize, RuntimeControl, RuntimeSetting, TEXT_MAX_CHARS, TITLE_MAX_CHARS,
};

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// In an answer.
    Answer,
    /// In the JSON of a request.
    Body,
    /// In the path or the query of a request.
    Query,
}

/// What is demanded of a field.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// Of its value, or of its list.
    pub(super) whole: Option<Value>,
    /// Of each value of its list.
    pub(super) items: Option<Value>,
}

const COMMENT_MAX: usize = 1_000;

/// Fields that are refused when they are empty or absent.
const REQUIRED: &[&str] = &[
    "catalog.v1.BatchGetChallengesRequest.ids",
    "catalog.v1.StreamTipsBatchRequest.challenge_ids",
    "admin.v1.ChallengeIds.ids",
    "admin.v1.ImportRow.challenge",
    "admin.v1.RevertChallengeRequest.revision",
    "admin.v1.UpdateRuntimeSettingRequest.value",
];

/// Choices of which one must be made.
const CHOICES: &[(&str, &[&str])] = &[
    (
        "admin.v1.InvalidateCacheRequest",
        &["tag", "challenges", "all"],
    ),
    (
        "admin.v1.BatchGenerateTipsRequest",
        &["challenges", "difficulty", "all"],
    ),
];

/// Fields of the bodies of reads that stand in headers of HTTP.
const IN_HEADERS: &[&str] = &[
    "etag",
    "not_modified",
    "cached",
    "cache_expire_time",
    "freshness",
];
const READS: &[&str] = &["ListChallenges", "GetChallenge", "BatchGetChallenges"];

/// What is demanded of a field.
pub(super) fn rule_of(field: &FieldDescriptor, side: Side) -> Rule {
    let name = short(field.full_name());
    let find = |demands: &[(&[&str], Demand)]| {
        let demand = demands.iter().find(|(names, _)| names.contains(&name));
        demand.map(|(_, demand)| demand())
    };
    match side {
        Side::Answer => Rule {
            whole: find(OF_ANSWERS),
            items: None,
        },
        Side::Body | Side::Query => Rule {
            whole: find(OF_REQUESTS),
            items: find(OF_ITEMS),
        },
    }
}

/// Whether a request must have it.
pub(super) fn is_required(field: &FieldDescriptor) -> bool {
    REQUIRED.contains(&short(field.full_name()))
}

/// The fields of which one must be there, and no more.
pub(super) fn choice(message: &MessageDescriptor) -> Option<&'static [&'static str]> {
    let name = short(message.full_name());
    let choice = CHOICES.iter().find(|(of, _)| *of == name);
    choice.map(|(_, fields)| *fields)
}

/// Whether it is never there over HTTP, because headers have it.
pub(super) fn is_left_out(field: &FieldDescriptor, side: Side) -> bool {
    let is_of = |kind: &str| {
        let message = field.parent_message();
        let read = short(message.full_name()).strip_prefix("catalog.v1.");
        let read = read.and_then(|read| read.strip_suffix(kind));
        read.is_some_and(|read| READS.contains(&read))
    };
    match side {
        Side::Answer => is_of("Response") && IN_HEADERS.contains(&field.name()),
        Side::Body | Side::Query => is_of("Request") && field.name() == "if_none_match",
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("challenges.").unwrap_or(name)
}

fn pattern(pattern: &str) -> Value {
    json!({"pattern": pattern})
}

fn ids(min: u32, max: u32) -> Value {
    json!({"minItems": min, "maxItems": max, "uniqueItems": true})
}

fn page_size() -> Value {
    let (max, default) = (PageSize::MAX.get(), PageSize::DEFAULT.get());
    json!({"minimum": 0, "maximum": max, "default": default})
}

fn names<C: RuntimeControl>() -> Value {
    let names: Vec<_> = C::EACH.iter().map(|it| it.name()).collect();
    json!({"enum": names})
}

/// Makes the words of a schema.
type Demand = fn() -> Value;

const OF_ANSWERS: &[(&[&str], Demand)] = &[(
    &[
        "catalog.v1.Challenge.id",
        "admin.v1.EditedChallenge.id",
        "catalog.v1.StreamTipsBatchResponse.challenge_id",
        "admin.v1.GeneratedTip.challenge_id",
    ],
    || json!({"pattern": UUID_SHOWN, "format": "uuid"}),
)];

/// What is demanded of each value of a list.
const OF_ITEMS: &[(&[&str], Demand)] = &[(
    &[
        "catalog.v1.BatchGetChallengesRequest.ids",
        "catalog.v1.StreamTipsBatchRequest.challenge_ids",
        "admin.v1.ChallengeIds.ids",
        "admin.v1.WarmCacheRequest.ids",
    ],
    || pattern(UUID),
)];

const OF_REQUESTS: &[(&[&str], Demand)] = &[
    (&["catalog.v1.BatchGetChallengesRequest.ids"], || {
        ids(1, 100)
    }),
    (&["catalog.v1.StreamTipsBatchRequest.challenge_ids"], || {
        ids(1, 50)
    }),
    (&["admin.v1.ChallengeIds.ids"], || ids(1, 1_000)),
    (&["admin.v1.WarmCacheRequest.ids"], || ids(0, 1_000)),
    (
        &["admin.v1.WarmCacheRequest.queries"],
        || json!({"maxItems": 100}),
    ),
    (&["admin.v1.ImportRow.challenge"], of_imported_challenges),
    (
        &["admin.v1.BatchGenerateTipsRequest.difficulty"],
        a_difficulty,
    ),
    (
        &["admin.v1.ImportChallengesRequest.rows"],
        || json!({"maxItems": 1_000}),
    ),
    (
        &[
            "catalog.v1.ListChallengesRequest.page_size",
            "admin.v1.WarmQuery.page_size",
            "admin.v1.ListChallengeRevisionsRequest.page_size",
        ],
        page_size,
    ),
    (
        &[
            "catalog.v1.GetChallengeRequest.id",
            "catalog.v1.StreamTipsRequest.challenge_id",
            "admin.v1.GetChallengeRequest.id",
            "admin.v1.DeleteChallengeRequest.id",
            "admin.v1.RevertChallengeRequest.id",
        ],
        || pattern(UUID),
    ),
    (
        &[
            "admin.v1.EditedChallenge.id",
            "admin.v1.ListChallengeRevisionsRequest.challenge_id",
        ],
        || pattern(UUID_OR_NONE),
    ),
    (
        &[
            "catalog.v1.ListChallengesRequest.min_version",
            "catalog.v1.GetChallengeRequest.min_version",
            "catalog.v1.BatchGetChallengesRequest.min_version",
        ],
        || pattern(VERSION),
    ),
    (
        &[
            "admin.v1.EditedChallenge.etag",
            "admin.v1.UpdateChallengeRequest.etag",
            "admin.v1.DeleteChallengeRequest.etag",
            "admin.v1.RevertChallengeRequest.etag",
            "admin.v1.UpdateFeatureFlagRequest.etag",
            "admin.v1.ResetFeatureFlagRequest.etag",
            "admin.v1.UpdateRuntimeSettingRequest.etag",
            "admin.v1.ResetRuntimeSettingRequest.etag",
        ],
        || pattern(ETAG),
    ),
    (&["catalog.v1.StreamTipsRequest.resume_token"], || {
        pattern(BASE64)
    }),
    (
        &[
            "catalog.v1.StreamTipsRequest.heartbeat_interval",
            "catalog.v1.StreamTipsBatchRequest.heartbeat_interval",
        ],
        || pattern(HEARTBEAT),
    ),
    (
        &[
            "catalog.v1.StreamTipsRequest.locale",
            "catalog.v1.StreamTipsBatchRequest.locale",
            "admin.v1.BatchGenerateTipsRequest.locale",
        ],
        || pattern(LOCALE),
    ),
    (
        &[
            "catalog.v1.StreamTipsRequest.persona",
            "catalog.v1.StreamTipsBatchRequest.persona",
            "admin.v1.BatchGenerateTipsRequest.persona",
        ],
        || pattern(PERSONA),
    ),
    (
        &["admin.v1.EditedChallenge.title"],
        || json!({"maxLength": TITLE_MAX_CHARS, "pattern": TITLE}),
    ),
    (
        &[
            "admin.v1.EditedChallenge.description",
            "admin.v1.EditedChallenge.tips",
        ],
        || json!({"maxLength": TEXT_MAX_CHARS, "pattern": TEXT}),
    ),
    (
        &["admin.v1.EditedChallenge.points"],
        || json!({"minimum": 0, "maximum": POINTS_MAX}),
    ),
    (
        &[
            "admin.v1.EditedChallenge.create_time",
            "admin.v1.EditedChallenge.update_time",
        ],
        || json!({"readOnly": true}),
    ),
    (
        &[
            "admin.v1.CreateChallengeRequest.request_id",
            "admin.v1.UpdateChallengeRequest.request_id",
            "admin.v1.DeleteChallengeRequest.request_id",
            "admin.v1.RevertChallengeRequest.request_id",
            "admin.v1.ImportOptions.request_id",
        ],
        || pattern(REQUEST_ID),
    ),
    (&["admin.v1.UpdateChallengeRequest.update_mask"], || {
        pattern(CHALLENGE_MASK)
    }),
    (
        &["admin.v1.RevertChallengeRequest.revision"],
        || json!({"minimum": 1, "pattern": "^[1-9][0-9]{0,18}$"}),
    ),
    (
        &[
            "admin.v1.GetFeatureFlagRequest.name",
            "admin.v1.UpdateFeatureFlagRequest.name",
            "admin.v1.ResetFeatureFlagRequest.name",
        ],
        names::<Flag>,
    ),
    (
        &[
            "admin.v1.UpdateRuntimeSettingRequest.name",
            "admin.v1.ResetRuntimeSettingRequest.name",
        ],
        names::<RuntimeSetting>,
    ),
    (
        &["admin.v1.UpdateFeatureFlagRequest.rollout_percentage"],
        || json!({"minimum": 0, "maximum": 100}),
    ),
    (&["admin.v1.UpdateFeatureFlagRequest.update_mask"], || {
        pattern(FLAG_MASK)
    }),
    (
        &[
            "admin.v1.UpdateFeatureFlagRequest.comment",
            "admin.v1.UpdateRuntimeSettingRequest.comment",
        ],
        || json!({"maxLength": COMMENT_MAX, "pattern": COMMENT}),
    ),
    (
        &[
            "admin.v1.UpdateFeatureFlagRequest.environment",
            "admin.v1.ResetFeatureFlagRequest.environment",
            "admin.v1.UpdateRuntimeSettingRequest.environment",
            "admin.v1.ResetRuntimeSettingRequest.environment",
        ],
        || pattern(ENVIRONMENT),
    ),
    (&["admin.v1.InvalidateCacheRequest.tag"], || pattern(TAG)),
    (
        &[
            "admin.v1.InvalidateCacheRequest.all",
            "admin.v1.BatchGenerateTipsRequest.all",
        ],
        || json!({"const": true}),
    ),
    (
        &["admin.v1.BatchGenerateTipsRequest.tips_per_minute"],
        || json!({"minimum": 0, "maximum": 600}),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixtures::CONTRACT;

    #[test]
    fn every_field_with_a_rule_is_one_of_the_contract() {
        let demands = [OF_ANSWERS, OF_ITEMS, OF_REQUESTS].concat();
        let names = demands.iter().flat_map(|(names, _)| names.iter());
        for name in names.chain(REQUIRED) {
            let (message, field) = name.rsplit_once('.').unwrap();
            let message = CONTRACT.get_message_by_name(&format!("challenges.{message}"));
            assert!(
                message.unwrap().get_field_by_name(field).is_some(),
                "{name}"
            );
        }
        for (message, members) in CHOICES {
            let message = CONTRACT
                .get_message_by_name(&format!("challenges.{message}"))
                .unwrap();
            let choice = message
                .oneofs()
                .find(|choice| !choice.is_synthetic())
                .unwrap();
            let fields: Vec<_> = choice.fields().map(|it| it.name().to_owned()).collect();
            assert_eq!(fields, *members);
        }
        for read in READS {
            let kinds = ["Request", "Response"];
            let names = kinds.map(|kind| format!("challenges.catalog.v1.{read}{kind}"));
            assert!(
                names
                    .iter()
                    .all(|it| CONTRACT.get_message_by_name(it).is_some())
            );
        }
    }
}
