//! Classifies a provider's error (code, message, HTTP status) as a `FailureKind`.
use serde_json::Value;

use super::protocol_error::ProtocolError;
use crate::domain::FailureKind;

/// Codes and types that the protocols document, or that servers were seen to send
/// (platform.claude.com/docs/en/api/errors, platform.openai.com/docs/guides/error-codes).
const WORDS: [(&str, FailureKind); 36] = [
    ("api_error", FailureKind::ServerFault),
    ("authentication_error", FailureKind::Denied),
    ("billing_error", FailureKind::SpendLimit),
    ("billing_hard_limit_reached", FailureKind::SpendLimit),
    ("budget_exceeded", FailureKind::SpendLimit),
    ("conflict_error", FailureKind::ServerFault),
    ("content_filter", FailureKind::Refused),
    ("content_policy_violation", FailureKind::Refused),
    ("context_length_exceeded", FailureKind::Rejected),
    ("deadline_exceeded", FailureKind::ServerFault),
    ("enforced_spend_limit_reached", FailureKind::SpendLimit),
    ("insufficient_quota", FailureKind::SpendLimit),
    ("internal", FailureKind::ServerFault),
    ("internal_error", FailureKind::ServerFault),
    ("internal_server_error", FailureKind::ServerFault),
    ("invalid_api_key", FailureKind::Denied),
    ("invalid_argument", FailureKind::Rejected),
    ("invalid_model", FailureKind::NotFound),
    ("invalid_request_error", FailureKind::Rejected),
    ("model_not_found", FailureKind::NotFound),
    ("no_db_connection", FailureKind::Denied),
    ("not_found", FailureKind::NotFound),
    ("not_found_error", FailureKind::NotFound),
    ("overloaded", FailureKind::Overloaded),
    ("overloaded_error", FailureKind::Overloaded),
    ("permission_denied", FailureKind::Denied),
    ("permission_error", FailureKind::Denied),
    ("rate_limit_error", FailureKind::RateLimited),
    ("rate_limit_exceeded", FailureKind::RateLimited),
    ("request_too_large", FailureKind::Rejected),
    ("resource_exhausted", FailureKind::RateLimited),
    ("server_error", FailureKind::ServerFault),
    ("service_unavailable", FailureKind::Overloaded),
    ("timeout_error", FailureKind::ServerFault),
    ("unauthenticated", FailureKind::Denied),
    ("unavailable", FailureKind::Overloaded),
];

/// Messages that show a spent budget, a bad key or an unknown model, though the type and the status say bad request or too
/// many requests: "You have reached your specified API usage limits", "… your account's monthly
/// spend limit", "Your credit balance is too low", "No deployments available - crossed budget";
/// "API key not valid"; "Invalid model name passed in", "… is not a valid model ID", "Model Not Exist".
const PHRASES: [(&str, FailureKind, &str); 8] = [
    ("api usage limits", FailureKind::SpendLimit, SPENT),
    ("spend limit", FailureKind::SpendLimit, SPENT),
    ("credit balance", FailureKind::SpendLimit, SPENT),
    ("crossed budget", FailureKind::SpendLimit, SPENT),
    ("api key not valid", FailureKind::Denied, "no valid key"),
    ("invalid model name", FailureKind::NotFound, NO_MODEL),
    ("not a valid model", FailureKind::NotFound, NO_MODEL),
    ("model not exist", FailureKind::NotFound, NO_MODEL),
];
const SPENT: &str = "the money is spent";
const NO_MODEL: &str = "no such model";

/// The kind of failure that an HTTP status other than success means.
pub(super) fn of_status(status: u16) -> FailureKind {
    match status {
        402 => FailureKind::SpendLimit,
        401 | 403 => FailureKind::Denied,
        404 => FailureKind::NotFound,
        408 => FailureKind::TooSlow,
        // A lock that another call holds; the providers' own clients try again.
        409 => FailureKind::ServerFault,
        429 => FailureKind::RateLimited,
        503 | 529 => FailureKind::Overloaded,
        400..=499 => FailureKind::Rejected,
        500..=599 => FailureKind::ServerFault,
        _ => FailureKind::Malformed,
    }
}

/// What an event, or an answer with the status 200, means if it reports an error: that status
/// says nothing.
pub(super) fn within(event: &Value) -> Option<ProtocolError> {
    let (kind, word) = reported(event)?;
    Some(ProtocolError::new(
        kind,
        format!("within the answer: {word}"),
    ))
}

/// The error that an event or the body of an answer reports, if it does: in a field `error`, or
/// itself one, by its name or for want of anything but a code and a message.
pub(super) fn reported(event: &Value) -> Option<(FailureKind, &'static str)> {
    let has = |name| event.get(name).is_some_and(says_something);
    let is = |name| event.get(name).and_then(Value::as_str) == Some("error");
    let explains = ["message", "detail", "details"].into_iter().any(has);
    let is_bare = has("code") && explains && event.get("choices").is_none();
    if !has("error") && !is("type") && !is("object") && !is_bare {
        return None;
    }
    let inner = event
        .get("error")
        .and_then(|error| ProviderError(error).kind());
    let known = inner.or_else(|| ProviderError(event).kind());
    Some(known.unwrap_or((FailureKind::ServerFault, "an error of an unknown type")))
}

/// Many servers send every field, and fill those that say nothing with one of these.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// What a status of gRPC says, which some gateways put where others put that of HTTP
/// (grpc.io/docs/guides/status-codes).
fn of_grpc_status(status: u16) -> Option<FailureKind> {
    Some(match status {
        3 | 9 | 11 => FailureKind::Rejected,
        5 => FailureKind::NotFound,
        7 | 16 => FailureKind::Denied,
        8 => FailureKind::RateLimited,
        14 => FailureKind::Overloaded,
        2 | 4 | 10 | 13 => FailureKind::ServerFault,
        _ => return None,
    })
}

/// A provider's error object, as far as one can be made out: servers disagree on everything but
/// the name of the object.
pub(super) struct ProviderError<'a>(pub(super) &'a Value);

impl ProviderError<'_> {
    /// What it says, the most exact word first, with that word; nothing when no word is known.
    pub(super) fn kind(&self) -> Option<(FailureKind, &'static str)> {
        if let Some(phrased) = self.phrased() {
            return Some(phrased);
        }
        let words = [
            self.at("/details/error_code"),
            self.at("/code"),
            self.at("/type"),
            self.at("/status"),
            Some(self.0),
        ];
        let words = words.into_iter().flatten().filter_map(Value::as_str);
        let words = words.map(str::to_ascii_lowercase);
        let mut known = words.filter_map(|word| WORDS.iter().find(|(name, _)| *name == word));
        known
            .next()
            .map(|(word, kind)| (*kind, *word))
            .or_else(|| Some((self.kind_by_number()?, "a code with the number of a status")))
    }

    /// Its own word, though not one that is known: letters only, so that it is neither a key nor
    /// text of another author.
    pub(super) fn own_word(&self) -> Option<&str> {
        let words = [self.at("/type"), self.at("/code"), self.at("/status")];
        let is_word = |word: &&str| {
            let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            (1..=48).contains(&word.len()) && word.bytes().all(is_letter)
        };
        let mut words = words.into_iter().flatten().filter_map(Value::as_str);
        words.find(is_word)
    }

    /// Some servers put the status that they would have had into a field, as a number or in digits.
    fn kind_by_number(&self) -> Option<FailureKind> {
        let fields = ["/code", "/status", "/status_code"];
        let mut numbers = fields
            .into_iter()
            .filter_map(|field| number(self.at(field)?));
        numbers.find_map(|number| match number {
            400..600 => Some(of_status(number)),
            number => of_grpc_status(number),
        })
    }

    fn phrased(&self) -> Option<(FailureKind, &'static str)> {
        let message = self.at("/message").unwrap_or(self.0).as_str()?;
        let message = message.to_lowercase();
        let mut phrases = PHRASES.iter();
        let (_, kind, word) = phrases.find(|(phrase, ..)| message.contains(phrase))?;
        Some((*kind, *word))
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }
}

fn number(value: &Value) -> Option<u16> {
    match value.as_str() {
        Some(digits) => digits.parse().ok(),
        None => u16::try_from(value.as_u64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(error: &Value) -> Option<FailureKind> {
        ProviderError(error).kind().map(|(kind, _)| kind)
    }

    #[test]
    fn the_most_exact_word_decides() {
        for (error, expected) in [
            (
                json!({"type": "overloaded_error"}),
                Some(FailureKind::Overloaded),
            ),
            (
                json!({"type": "rate_limit_error", "message": "slow down"}),
                Some(FailureKind::RateLimited),
            ),
            (
                json!({"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}),
                Some(FailureKind::SpendLimit),
            ),
            (
                json!({"type": "rate_limit_error", "message": "exceeds your account's monthly spend limit"}),
                Some(FailureKind::SpendLimit),
            ),
            (
                json!({"type": "invalid_request_error", "message": "You have reached your specified API usage limits."}),
                Some(FailureKind::SpendLimit),
            ),
            (
                json!({"type": "insufficient_quota", "code": "insufficient_quota"}),
                Some(FailureKind::SpendLimit),
            ),
            (
                json!({"type": "invalid_request_error", "code": "invalid_api_key"}),
                Some(FailureKind::Denied),
            ),
            (
                json!({"code": 502, "message": "upstream"}),
                Some(FailureKind::ServerFault),
            ),
            (json!({"code": 70_000}), None),
            (json!({"type": "new_error", "code": null}), None),
            (json!({"code": "400"}), Some(FailureKind::Rejected)),
            (
                json!({"type": "None", "code": "429"}),
                Some(FailureKind::RateLimited),
            ),
            (json!({"status": 529}), Some(FailureKind::Overloaded)),
            (
                json!({"code": 3, "details": []}),
                Some(FailureKind::Rejected),
            ),
            (json!({"code": 8}), Some(FailureKind::RateLimited)),
            (
                json!({"status": "RESOURCE_EXHAUSTED"}),
                Some(FailureKind::RateLimited),
            ),
            (json!("rate_limit_exceeded"), Some(FailureKind::RateLimited)),
            (json!("it broke"), None),
            (json!(null), None),
        ] {
            assert_eq!(kind(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_budget_that_is_spent_is_told_by_a_word_or_a_phrase() {
        let crossed = "No deployments available - crossed budget: 0.14 >= 1d";
        for error in [
            json!({"type": "internal_server_error", "code": "429", "message": crossed}),
            json!({"type": "budget_exceeded", "code": "400"}),
        ] {
            assert_eq!(kind(&error), Some(FailureKind::SpendLimit), "{error}");
        }
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, expected) in [
            (204, FailureKind::Malformed),
            (302, FailureKind::Malformed),
            (400, FailureKind::Rejected),
            (401, FailureKind::Denied),
            (402, FailureKind::SpendLimit),
            (408, FailureKind::TooSlow),
            (409, FailureKind::ServerFault),
            (413, FailureKind::Rejected),
            (429, FailureKind::RateLimited),
            (500, FailureKind::ServerFault),
            (503, FailureKind::Overloaded),
            (504, FailureKind::ServerFault),
            (529, FailureKind::Overloaded),
            (700, FailureKind::Malformed),
        ] {
            assert_eq!(of_status(status), expected, "{status}");
        }
    }

    #[test]
    fn an_error_is_seen_in_every_shape_and_an_empty_field_is_none() {
        let kind = |event: Value| reported(&event).map(|(kind, _)| kind);
        let rejected = Some(FailureKind::Rejected);
        let unknown = Some(FailureKind::ServerFault);
        for (event, expected) in [
            (json!({"error": {"code": "400", "message": "x"}}), rejected),
            (json!({"error": "it broke", "code": 400}), rejected),
            (
                json!({"error": true, "message": "x", "status": 400}),
                rejected,
            ),
            (
                json!({"object": "error", "message": "x", "code": 400}),
                rejected,
            ),
            (
                json!({"object": "error", "type": "invalid_request_error"}),
                rejected,
            ),
            (
                json!({"type": "error", "error": {"type": "not_found_error"}}),
                Some(FailureKind::NotFound),
            ),
            (json!({"code": 400, "details": "x"}), rejected),
            (
                json!({"code": "invalid_argument", "message": "x"}),
                rejected,
            ),
            (json!({"type": "error", "error": {}}), unknown),
            (json!({"error": {"message": "x"}, "choices": []}), unknown),
            (json!({"error": null, "choices": []}), None),
            (json!({"error": {}}), None),
            (json!({"error": "", "code": null}), None),
            (json!({"error": [], "code": 400}), None),
            (json!({"code": 400, "message": "x", "choices": []}), None),
            (
                json!({"type": "message_start", "message": {"id": "a"}}),
                None,
            ),
            (json!({}), None),
        ] {
            assert_eq!(kind(event.clone()), expected, "{event}");
        }
    }
}
