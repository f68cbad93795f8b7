//! Events of a tip as JSON: the field names of the proto, enums as plain words.
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::pb::catalog::v1::{
    StreamTipsResponse, TipAccepted, TipDone, TipHeartbeat, TipReset, stream_tips_response::Event,
};

/// One event.
#[derive(Debug, Serialize)]
pub(super) struct EventView {
    epoch: u64,
    offset: u64,
    /// As grpcurl takes it.
    resume_token: String,
    #[serde(flatten)]
    event: Option<KindView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum KindView {
    Accepted {
        role: String,
        source: String,
    },
    Delta {
        text: String,
    },
    Reset {
        cause: String,
        new_source: String,
    },
    Heartbeat {
        waiting: Option<String>,
        phase: String,
    },
    Done(Box<DoneView>),
}

#[derive(Debug, Serialize)]
struct DoneView {
    sha256: String,
    length: u64,
    source: String,
    fallback: Option<String>,
    provider_failure: Option<String>,
    stop_reason: Option<String>,
    usage: Option<UsageView>,
    model: Option<String>,
    create_time: Option<String>,
}

#[derive(Debug, Serialize)]
struct UsageView {
    input_tokens: u64,
    output_tokens: u64,
    estimated: bool,
}

impl From<&StreamTipsResponse> for EventView {
    fn from(message: &StreamTipsResponse) -> Self {
        Self {
            epoch: message.epoch,
            offset: message.offset,
            resume_token: STANDARD.encode(&message.resume_token),
            event: message.event.as_ref().map(KindView::from),
        }
    }
}

impl From<&Event> for KindView {
    fn from(event: &Event) -> Self {
        match event {
            Event::Accepted(accepted) => Self::accepted(*accepted),
            Event::Delta(delta) => Self::Delta {
                text: delta.text.clone(),
            },
            Event::Reset(reset) => Self::reset(*reset),
            Event::Heartbeat(heartbeat) => Self::heartbeat(heartbeat),
            Event::Done(done) => Self::Done(Box::new(done.into())),
        }
    }
}

impl KindView {
    fn accepted(accepted: TipAccepted) -> Self {
        Self::Accepted {
            role: word(accepted.role().as_str_name(), "TIP_ROLE_"),
            source: word(accepted.source().as_str_name(), SOURCE),
        }
    }

    fn reset(reset: TipReset) -> Self {
        Self::Reset {
            cause: word(reset.cause().as_str_name(), "TIP_RESET_CAUSE_"),
            new_source: word(reset.new_source().as_str_name(), SOURCE),
        }
    }

    fn heartbeat(heartbeat: &TipHeartbeat) -> Self {
        Self::Heartbeat {
            waiting: heartbeat.waiting.map(|waiting| waiting.to_string()),
            phase: word(heartbeat.phase().as_str_name(), "TIP_PHASE_"),
        }
    }
}

impl From<&TipDone> for DoneView {
    fn from(done: &TipDone) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let fallback = done.fallback();
        let has_fallback = i32::from(fallback) != 0;
        Self {
            sha256: STANDARD.encode(&done.sha256),
            length: done.length,
            source: word(done.source().as_str_name(), SOURCE),
            fallback: has_fallback.then(|| word(fallback.as_str_name(), "TIP_FALLBACK_")),
            provider_failure: (done.provider_failure != 0).then(|| {
                word(
                    done.provider_failure().as_str_name(),
                    "TIP_PROVIDER_FAILURE_",
                )
            }),
            stop_reason: given(&done.stop_reason),
            usage: done.usage.map(|usage| UsageView {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                estimated: usage.estimated,
            }),
            model: given(&done.model),
            create_time: done.create_time.map(|time| time.to_string()),
        }
    }
}

const SOURCE: &str = "TIP_SOURCE_";

/// The plain word of a name in the contract, such as `cache` for `TIP_SOURCE_CACHE`.
pub(super) fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    word.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pb::catalog::v1::{TipDelta, TipSource};

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
        let view = serde_json::to_value(EventView::from(&message)).unwrap();
        let delta = json!({"text": "Hi"});
        let expected = json!({"epoch": 7, "offset": 2, "resume_token": "AQID", "delta": delta});
        assert_eq!(view, expected);
        message.event = Some(Event::Done(TipDone {
            source: TipSource::Cache.into(),
            ..TipDone::default()
        }));
        let view = serde_json::to_value(EventView::from(&message)).unwrap();
        assert_eq!(view["done"]["source"], "cache");
        assert!(view["done"]["fallback"].is_null());
    }
}
