//! Fields that some servers refuse, and that are left out after that.
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::{ProviderSettings, TokenLimit};

/// A field of a request that not every server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    MaxTokens,
    MaxCompletionTokens,
    StreamOptions,
    Temperature,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::StreamOptions => "stream_options",
            Self::Temperature => "temperature",
        }
    }
}

/// One request, ready to be sent.
pub(super) struct HttpRequest {
    pub(super) body: Vec<u8>,
    /// Which of the fields it has that not every server takes.
    pub(super) sent: Vec<Field>,
    /// Where it is noted which of them were refused.
    pub(super) fields: RequestFields,
}

/// Which of these fields requests to one provider have: as the settings say, and where they leave it
/// open, without those that the provider has refused by name. That is remembered until the process ends.
#[derive(Clone, Debug)]
pub(super) struct RequestFields(Arc<FieldChoice>);

#[derive(Debug)]
struct FieldChoice {
    token_limit: Option<TokenLimit>,
    stream_usage: Option<bool>,
    has_temperature: bool,
    refused: Mutex<Vec<Field>>,
}

impl RequestFields {
    pub(super) fn new(settings: &ProviderSettings) -> Self {
        Self(Arc::new(FieldChoice {
            token_limit: settings.token_limit,
            stream_usage: settings.stream_usage,
            has_temperature: settings.temperature().is_some(),
            refused: Mutex::default(),
        }))
    }

    /// The fields of a request that is sent now, as `OpenAI`'s protocol has them.
    pub(super) fn now(&self) -> Vec<Field> {
        self.among(&self.0.refused.lock())
    }

    fn among(&self, refused: &[Field]) -> Vec<Field> {
        let is_taken = |field| !refused.contains(&field);
        // A server that does not know the newer name may ignore it, and never stop; one that does
        // not take the older one says so. Where both were refused it is the value that is wrong.
        let is_newer = !is_taken(Field::MaxTokens) && is_taken(Field::MaxCompletionTokens);
        let limit = match (self.0.token_limit, is_newer) {
            (Some(TokenLimit::MaxTokens), _) | (None, false) => Field::MaxTokens,
            (Some(TokenLimit::MaxCompletionTokens), _) | (None, true) => Field::MaxCompletionTokens,
        };
        let stream_options = self.0.stream_usage;
        let has_usage = stream_options.unwrap_or_else(|| is_taken(Field::StreamOptions));
        let has_temperature = self.0.has_temperature && is_taken(Field::Temperature);
        [
            Some(limit),
            has_usage.then_some(Field::StreamOptions),
            has_temperature.then_some(Field::Temperature),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Takes in what a provider answered to a request with the fields `sent`; returns whether the next
    /// request leaves one out that it refused.
    pub(super) fn learn(&self, sent: &[Field], answer: &[u8]) -> bool {
        let text = String::from_utf8_lossy(answer).into_owned();
        let error = serde_json::from_slice(answer).unwrap_or(Value::String(text));
        let named = sent.iter().filter(|field| names(&error, field.name()));
        let mut refused = self.0.refused.lock();
        let mut is_changed = false;
        for field in named {
            if !refused.contains(field) {
                refused.push(*field);
            }
            let limits = [Field::MaxTokens, Field::MaxCompletionTokens];
            let is_value = limits.contains(field) && limits.iter().all(|it| refused.contains(it));
            if !is_value && !self.among(&refused).contains(field) {
                is_changed = true;
                let field = field.name();
                tracing::warn!(
                    field,
                    "a provider refuses this field of requests: it is left out from now on"
                );
            }
        }
        is_changed
    }
}

/// Whether an error is about a field. What it repeats of our request is left out.
fn names(error: &Value, field: &str) -> bool {
    match error {
        Value::String(text) => is_named_in(text, field),
        Value::Array(values) => values.iter().any(|value| names(value, field)),
        Value::Object(entries) => {
            let mut others = entries.iter().filter(|(key, _)| *key != "input");
            others.any(|(_, value)| names(value, field))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// As a word of its own; one that people use too must begin the text or stand in quotes.
fn is_named_in(text: &str, field: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(field).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + field.len()..)
            .and_then(|text| text.chars().next());
        let is_whole = !before.is_some_and(is_part) && !after.is_some_and(is_part);
        let is_marked = field.contains('_')
            || before.is_none_or(|before| matches!(before, '\'' | '"' | '`' | '.'));
        is_whole && is_marked
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(token_limit: Option<TokenLimit>, has_temperature: bool) -> RequestFields {
        RequestFields(Arc::new(FieldChoice {
            token_limit,
            stream_usage: None,
            has_temperature,
            refused: Mutex::default(),
        }))
    }

    /// The fields of the next request after this answer, if it differs.
    fn after(answer: &str) -> Option<Vec<Field>> {
        let fields = fields(None, true);
        let sent = fields.now();
        fields.learn(&sent, answer.as_bytes()).then(|| fields.now())
    }

    #[test]
    fn a_field_that_an_answer_names_is_left_out() {
        use Field::{MaxCompletionTokens, MaxTokens, StreamOptions, Temperature};
        for (answer, left) in [
            (
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}"#,
                vec![MaxCompletionTokens, StreamOptions, Temperature],
            ),
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"input":{"max_tokens":"max_tokens"}}]}"#,
                vec![MaxTokens, Temperature],
            ),
            (
                "Unrecognized request argument supplied: stream_options",
                vec![MaxTokens, Temperature],
            ),
            (
                r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.7"}}"#,
                vec![MaxTokens, StreamOptions],
            ),
            (
                r#"{"error":{"message":"`temperature` is deprecated for this model."}}"#,
                vec![MaxTokens, StreamOptions],
            ),
        ] {
            assert_eq!(after(answer), Some(left), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_names_none_changes_nothing() {
        for answer in [
            "",
            "{}",
            r#"{"error":{"message":"Talk about the temperature."}}"#,
            r#"{"error":{"message":"my_max_tokens, max_tokens_2"}}"#,
            r#"{"error":{"message":"model not found"}}"#,
        ] {
            assert_eq!(after(answer), None, "{answer}");
        }
    }

    #[test]
    fn what_is_refused_under_both_names_is_the_value_and_is_asked_for_no_more() {
        let fields = fields(None, false);
        let told = |name: &str| format!("{name} is too large");
        assert!(fields.learn(&fields.now(), told("max_tokens").as_bytes()));
        assert!(!fields.learn(&fields.now(), told("max_completion_tokens").as_bytes()));
        assert!(!fields.learn(&fields.now(), told("max_tokens").as_bytes()));
        assert_eq!(fields.now()[0], Field::MaxTokens);
    }

    #[test]
    fn orders_that_went_out_before_are_worth_another_try_too() {
        let fields = fields(None, false);
        let sent = fields.now();
        assert!(fields.learn(&sent, b"stream_options?"));
        assert!(fields.learn(&sent, b"stream_options?"));
    }

    #[test]
    fn what_the_settings_say_is_not_learnt_anew() {
        let fields = fields(Some(TokenLimit::MaxTokens), false);
        assert!(!fields.learn(&fields.now(), b"max_tokens?"));
        assert_eq!(fields.now()[0], Field::MaxTokens);
    }
}
