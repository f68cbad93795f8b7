use serde_json::Value;

use super::flaw::Flaw;
use crate::domain::FailureKind;

/// Codes and types that the protocols document, or that servers were seen to send
/// (platform.claude.com/docs/en/api/errors, platform.openai.com/docs/guides/error-codes).
const WORDS: [(&str, FailureKind); 22] = [
    ("api_error", FailureKind::ServerFault),
    ("authentication_error", FailureKind::Denied),
    ("billing_error", FailureKind::Denied),
    ("billing_hard_limit_reached", FailureKind::SpendLimit),
    ("conflict_error", FailureKind::ServerFault),
    ("enforced_spend_limit_reached", FailureKind::SpendLimit),
    ("insufficient_quota", FailureKind::SpendLimit),
    ("internal_error", FailureKind::ServerFault),
    ("internal_server_error", FailureKind::ServerFault),
    ("invalid_api_key", FailureKind::Denied),
    ("invalid_request_error", FailureKind::Rejected),
    ("model_not_found", FailureKind::Rejected),
    ("not_found_error", FailureKind::Rejected),
    ("overloaded", FailureKind::Overloaded),
    ("overloaded_error", FailureKind::Overloaded),
    ("permission_error", FailureKind::Denied),
    ("rate_limit_error", FailureKind::RateLimited),
    ("rate_limit_exceeded", FailureKind::RateLimited),
    ("request_too_large", FailureKind::Rejected),
    ("server_error", FailureKind::ServerFault),
    ("service_unavailable", FailureKind::Overloaded),
    ("timeout_error", FailureKind::ServerFault),
];

/// What messages say when the money is spent although type and status speak of a bad request or
/// of too many: "You have reached your specified API usage limits", "… your account's monthly
/// spend limit", "Your credit balance is too low".
const SPENT: [&str; 3] = ["api usage limits", "spend limit", "credit balance"];

/// What an HTTP status that is no success says of the attempt.
pub(super) fn of_status(status: u16) -> FailureKind {
    match status {
        401..=403 => FailureKind::Denied,
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

/// A provider's error object, as far as one can be made out: servers disagree on everything but
/// the name of the object.
pub(super) struct Fault<'a>(pub(super) &'a Value);

impl Fault<'_> {
    /// What it says, the most exact word first, with that word; nothing when no word is known.
    pub(super) fn kind(&self) -> Option<(FailureKind, &'static str)> {
        if self.is_spent() {
            return Some((FailureKind::SpendLimit, "the money is spent"));
        }
        let words = [
            self.at("/details/error_code"),
            self.at("/code"),
            self.at("/type"),
        ];
        let known = words.into_iter().flatten().filter_map(Value::as_str);
        let mut known = known.filter_map(|word| WORDS.iter().find(|(name, _)| *name == word));
        known
            .next()
            .map(|(word, kind)| (*kind, *word))
            .or_else(|| Some((self.kind_by_number()?, "a code with the number of a status")))
    }

    /// What it means within an answer: the status said 200 by then, which says nothing.
    pub(super) fn into_flaw(self) -> Flaw {
        let unknown = (FailureKind::ServerFault, "an error of an unknown type");
        let (kind, word) = self.kind().unwrap_or(unknown);
        Flaw::new(kind, format!("within the answer: {word}"))
    }

    /// Some servers put the status that they would have had into `code`.
    fn kind_by_number(&self) -> Option<FailureKind> {
        let number = u16::try_from(self.at("/code")?.as_u64()?).ok()?;
        (400..600).contains(&number).then(|| of_status(number))
    }

    fn is_spent(&self) -> bool {
        let message = self.at("/message").or(Some(self.0)).and_then(Value::as_str);
        let message = message.unwrap_or_default().to_lowercase();
        SPENT.iter().any(|phrase| message.contains(phrase))
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(error: &Value) -> Option<FailureKind> {
        Fault(error).kind().map(|(kind, _)| kind)
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
            (json!("it broke"), None),
            (json!(null), None),
        ] {
            assert_eq!(kind(&error), expected, "{error}");
        }
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, expected) in [
            (204, FailureKind::Malformed),
            (302, FailureKind::Malformed),
            (400, FailureKind::Rejected),
            (401, FailureKind::Denied),
            (402, FailureKind::Denied),
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
}
