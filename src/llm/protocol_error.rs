//! The error of a provider's response. Its text repeats nothing that the provider sent.
use crate::domain::{FailureKind, Usage, WriteFailure};

/// The longest detail, in bytes: what [`WriteFailure::detail`] promises.
const DETAIL_BYTES: usize = 200;

/// Why a response cannot be used, before its provider and its cost are known.
///
/// The detail is made of our own words and of numbers: a provider may repeat a key, the prompt or
/// the tip in its messages, and a parser may repeat what it read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct ProtocolError {
    pub(super) kind: FailureKind,
    pub(super) detail: String,
}

impl ProtocolError {
    pub(super) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
        Self { kind, detail }
    }

    /// An event that the protocol does not know in this form.
    pub(super) fn bad_json(error: &serde_json::Error) -> Self {
        let (class, column) = (error.classify(), error.column());
        let detail = format!("an event is not as expected ({class:?} error at byte {column})");
        Self::new(FailureKind::Malformed, detail)
    }

    pub(super) fn into_failure(self, attempt_id: Option<String>, usage: Usage) -> WriteFailure {
        WriteFailure {
            attempt_id,
            usage,
            detail: self.detail,
            ..WriteFailure::new(self.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_between_characters() {
        let error = ProtocolError::new(FailureKind::Connect, format!("x{}", "é".repeat(200)));
        assert_eq!(error.detail.len(), 199);
    }

    #[test]
    fn a_parser_that_repeats_what_it_read_is_not_quoted() {
        let error = serde_json::from_str::<u8>("\"a secret\"").unwrap_err();
        assert!(error.to_string().contains("a secret"), "why this exists");
        assert!(!ProtocolError::bad_json(&error).detail.contains("secret"));
    }
}
