//! Messages of the contract as JSON or YAML: its own field names, enums as plain words, times as RFC 3339,
//! lengths of time in seconds such as `0.412s`. A field of the contract is shown without a line here.
use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage, Value,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::failure::Failure;
use crate::pb::DESCRIPTORS;

static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());

/// The message for programs.
pub(super) fn json<M: Message + Name>(message: &M) -> Result<Json, Failure> {
    let contract = CONTRACT.as_ref();
    let kind = contract.and_then(|contract| contract.get_message_by_name(&M::full_name()));
    let bytes = message.encode_to_vec();
    let read = kind.and_then(|kind| DynamicMessage::decode(kind, &bytes[..]).ok());
    read.map(Json)
        .ok_or_else(|| Failure::failed("cannot read the answer by its own contract"))
}

/// The plain word of a name in the contract, such as `cache` for `TIP_SOURCE_CACHE`.
pub(super) fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    word.to_ascii_lowercase()
}

/// What commands say in other words, or not at all: an answer is never `not_modified`, for none asks for that.
const LEFT_OUT: [&str; 6] = [
    "challenges.catalog.v1.ListChallengesResponse.not_modified",
    "challenges.catalog.v1.GetChallengeResponse.not_modified",
    "challenges.admin.v1.ListFeatureFlagsResponse.environment",
    "challenges.admin.v1.ListRuntimeSettingsResponse.environment",
    "challenges.admin.v1.ImportChallengesResponse.outcomes",
    "challenges.admin.v1.ListChallengeRevisionsResponse.next_page_token",
];
/// Empty here says that there is none.
const NULL_IF_EMPTY: [&str; 5] = [
    "challenges.admin.v1.GetCacheStatusResponse.others_unknown",
    "challenges.catalog.v1.TipDone.fallback",
    "challenges.catalog.v1.TipDone.provider_failure",
    "challenges.catalog.v1.TipDone.stop_reason",
    "challenges.catalog.v1.TipDone.model",
];
/// Its fields stand beside it.
const FLATTENED: &str = "challenges.admin.v1.BatchGenerateTipsSummary.usage";

/// A message for programs.
pub(super) struct Json(DynamicMessage);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_fields(&self.0, &mut map)?;
        map.end()
    }
}

fn serialize_fields<M: SerializeMap>(
    message: &DynamicMessage,
    map: &mut M,
) -> Result<(), M::Error> {
    for field in message.descriptor().fields() {
        let name = field.full_name();
        let choice = field.containing_oneof();
        let is_choice = choice.is_some_and(|choice| !choice.is_synthetic());
        let has_field = message.has_field(&field);
        if LEFT_OUT.contains(&name) || is_choice && !has_field {
            continue;
        }
        let value = message.get_field(&field);
        if let (FLATTENED, Some(inner)) = (name, value.as_message()) {
            serialize_fields(inner, map)?;
            continue;
        }
        let can_be_null = field.supports_presence() || NULL_IF_EMPTY.contains(&name);
        let shown = (has_field || !can_be_null).then_some(Shown(&field, &value));
        map.serialize_entry(field.name(), &shown)?;
    }
    Ok(())
}

/// The value of a field.
struct Shown<'a>(&'a FieldDescriptor, &'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(field, value) = self;
        match value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            // As grpcurl takes them.
            Value::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Value::EnumNumber(number) => {
                if let Kind::Enum(kind) = field.kind() {
                    serializer.serialize_str(&enum_word(&kind, *number))
                } else {
                    serializer.serialize_i32(*number)
                }
            }
            Value::Message(message) => match well_known(message) {
                Some(text) => serializer.serialize_str(&text),
                None => Json(message.clone()).serialize(serializer),
            },
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Shown(field, value))?;
                }
                list.end()
            }
            // The contract has none.
            Value::Map(_) => serializer.serialize_none(),
        }
    }
}

fn enum_word(kind: &EnumDescriptor, number: i32) -> String {
    let unset = kind.default_value();
    let prefix = unset.name().trim_end_matches("UNSPECIFIED");
    match kind.get_value(number) {
        // No difficulty asks for all of them.
        Some(value) if kind.name() == "Difficulty" && value.number() == 0 => "all".to_owned(),
        // Nothing failed.
        Some(value) if kind.name().ends_with("Failure") && value.number() == 0 => String::new(),
        Some(value) => word(value.name(), prefix),
        None => number.to_string(),
    }
}

/// A time or a length of time in its own form.
fn well_known(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            let time = message.transcode_to::<prost_types::Timestamp>();
            time.ok().map(|time| time.to_string())
        }
        "google.protobuf.Duration" => {
            let length = message.transcode_to::<prost_types::Duration>();
            length.ok().map(|length| length.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::json as of;
    use crate::pb::{
        admin::v1::{
            BatchGenerateTipsSummary, GeneratedTip, GeneratedTipFailure, GeneratedTipOutcome,
            GenerationEnd,
        },
        catalog::v1::{
            StreamTipsResponse, TipDelta, TipDone, TipSource, stream_tips_response::Event,
        },
    };

    fn value(message: &impl prost::Name) -> serde_json::Value {
        serde_json::to_value(of(message).unwrap()).unwrap()
    }

    #[test]
    fn an_event_has_the_names_of_the_contract_and_plain_words() {
        let mut message = StreamTipsResponse {
            epoch: 7,
            offset: 2,
            resume_token: vec![1, 2, 3],
            event: Some(Event::Delta(TipDelta {
                text: "Hi".to_owned(),
            })),
        };
        let delta = json!({"text": "Hi"});
        let expected = json!({"epoch": 7, "offset": 2, "resume_token": "AQID", "delta": delta});
        assert_eq!(value(&message), expected);
        message.event = Some(Event::Done(TipDone {
            source: TipSource::Cache.into(),
            ..TipDone::default()
        }));
        let view = value(&message);
        assert_eq!(view["done"]["source"], "cache");
        assert!(view["done"]["fallback"].is_null());
    }

    #[test]
    fn the_cost_of_a_run_stands_beside_its_sums() {
        let tip = GeneratedTip {
            challenge_id: "id".to_owned(),
            outcome: GeneratedTipOutcome::Failed.into(),
            failure: GeneratedTipFailure::Rules.into(),
            provider_failure: 0,
        };
        let tip = value(&tip);
        assert_eq!(
            (&tip["outcome"], &tip["failure"]),
            (&"failed".into(), &"rules".into())
        );
        assert_eq!(tip["provider_failure"], "");
        let summary = value(&BatchGenerateTipsSummary {
            end: GenerationEnd::RunBudget.into(),
            ..Default::default()
        });
        assert_eq!(
            (&summary["end"], &summary["input_tokens"]),
            (&"run_budget".into(), &0.into())
        );
    }
}
