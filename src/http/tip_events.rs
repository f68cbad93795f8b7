//! A tip as server-sent events, which browsers read and take up again by themselves.
//!
//! The id of an event is its resume token, so a browser that lost its connection goes on behind it, at any replica. The id
//! of the last event says so: whoever comes back with it gets 204, after which browsers stay away.
use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use super::{
    answers::{Answers, streamed},
    body::HttpBody,
    json::json,
    problem::Problem,
};
use crate::pb::catalog::v1 as pb;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const RESUME_TOKEN: &str = "resume_token";
const EVENTS: &str = "text/event-stream";
/// After how long a browser comes back that lost its connection.
const BEGINNING: &[u8] = b"retry: 1000\n\n";
/// Length of the contract's resume token, and what stands behind that of the last event.
const TOKEN_BYTES: usize = 57;
const IS_END: u8 = 0xff;

/// Without padding, and read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether what the method streams are events of tips.
pub(super) fn are_of(rpc: &MethodDescriptor) -> bool {
    matches!(rpc.name(), "StreamTips" | "StreamTipsBatch")
}

/// From where a reader goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// From where its request says.
    Within,
    /// It had all.
    AtEnd,
}

impl Resume {
    /// Puts what a browser says of its last event into the request.
    pub(super) fn take(message: &mut DynamicMessage, headers: &HeaderMap) -> Self {
        let told = headers.get(LAST_EVENT_ID).map(|id| {
            // One that is damaged begins with a reset, as the contract says.
            let decoded = BASE64.decode(id.as_bytes());
            decoded.unwrap_or_else(|_| id.as_bytes().to_vec())
        });
        let known = message.get_field_by_name(RESUME_TOKEN);
        let known = known.and_then(|known| known.as_bytes().cloned());
        let Some(mut token) = told.map(Bytes::from).or(known) else {
            return Self::Within;
        };
        let is_end = token.len() == TOKEN_BYTES + 1 && token.last() == Some(&IS_END);
        if is_end {
            token.truncate(TOKEN_BYTES);
        }
        // A batch is not resumed, and has no such field.
        let _ = message.try_set_field_by_name(RESUME_TOKEN, Value::Bytes(token));
        if is_end { Self::AtEnd } else { Self::Within }
    }
}

/// Streams the events of a call that began well.
///
/// # Errors
///
/// How the call ended before its first event.
pub(super) async fn answer(
    mut answers: Answers,
    resume: Resume,
) -> Result<Response<HttpBody>, Problem> {
    let mut begun = BytesMut::from(BEGINNING);
    loop {
        let Some(message) = answers.next().await? else {
            return Ok(streamed(stream::iter([begun.freeze()]), EVENTS));
        };
        let kind = kind_of(&message);
        if resume == Resume::AtEnd && kind == Some("done") {
            let mut nothing = Response::new(HttpBody::empty());
            *nothing.status_mut() = StatusCode::NO_CONTENT;
            return Ok(nothing);
        }
        write(&message, &mut begun);
        let may_be_over = matches!(kind, Some("accepted" | "heartbeat"));
        if resume == Resume::Within || !may_be_over {
            return Ok(streamed(events(answers, begun.freeze()), EVENTS));
        }
    }
}

/// Whether a tip is to be written anew, which costs money each time.
pub(super) fn is_refresh(message: &DynamicMessage) -> bool {
    let mode = message.get_field_by_name("mode");
    let mode = mode.and_then(|mode| mode.as_enum_number());
    mode == Some(pb::TipMode::Refresh.into())
}

/// Makes a request one that is let in or refused as it was, and that begins no tip.
pub(super) fn begin_nothing(message: &mut DynamicMessage) {
    let kept = Value::EnumNumber(pb::TipMode::CachedOnly.into());
    // Both methods have these fields.
    let _ = message.try_set_field_by_name("mode", kept);
    let _ = message.try_set_field_by_name("no_static_fallback", Value::Bool(false));
}

/// A response that has events, none of which are sent.
pub(super) fn without_events() -> Response<HttpBody> {
    streamed(stream::empty(), EVENTS)
}

/// What is to be sent next.
enum Next {
    Begun(Bytes, Answers),
    More(Answers),
    Nothing,
}

fn events(answers: Answers, begun: Bytes) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Next::Begun(begun, answers), |next| async {
        let mut answers = match next {
            Next::Begun(begun, answers) => return Some((begun, Next::More(answers))),
            Next::More(answers) => answers,
            Next::Nothing => return None,
        };
        let mut event = BytesMut::new();
        match answers.next().await {
            Ok(Some(message)) => {
                write(&message, &mut event);
                Some((event.freeze(), Next::More(answers)))
            }
            Ok(None) => None,
            // A browser comes back by itself, and finds another replica.
            Err(problem) if problem.is_shutdown() => None,
            Err(problem) => {
                event.put_slice(b"event: error\ndata: ");
                event.put_slice(&problem.json());
                event.put_slice(b"\n\n");
                Some((event.freeze(), Next::Nothing))
            }
        }
    })
}

/// The name of what happened: the choice of the message that is set.
fn kind_of(message: &DynamicMessage) -> Option<&'static str> {
    const KINDS: [&str; 7] = [
        "accepted",
        "delta",
        "reset",
        "heartbeat",
        "done",
        "tip",
        "failure",
    ];
    KINDS
        .into_iter()
        .find(|kind| message.has_field_by_name(kind))
}

/// Writes one event. JSON has no line breaks, so it is one line of data.
fn write(message: &DynamicMessage, event: &mut BytesMut) {
    let kind = kind_of(message);
    if kind == Some("heartbeat") {
        event.put_slice(b": heartbeat\n\n");
        return;
    }
    let token = message.get_field_by_name(RESUME_TOKEN);
    if let Some(token) = token.as_ref().and_then(|token| token.as_bytes()) {
        let mut id = token.to_vec();
        if kind == Some("done") {
            id.push(IS_END);
        }
        event.put_slice(b"id: ");
        event.put_slice(BASE64.encode(id).as_bytes());
        event.put_u8(b'\n');
    }
    if let Some(kind) = kind {
        event.put_slice(b"event: ");
        event.put_slice(kind.as_bytes());
        event.put_u8(b'\n');
    }
    event.put_slice(b"data: ");
    event.put_slice(&json(message));
    event.put_slice(b"\n\n");
}

#[cfg(test)]
#[path = "tip_events_tests.rs"]
mod tests;
