use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The parts of a refusal that callers act on.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
    /// The fields that are named as wrong, in order.
    pub fields: Vec<String>,
}

impl Refusal {
    pub fn new(code: Code, reason: &str, fields: &[&str]) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        }
    }

    /// `INVALID_ARGUMENT` that names these fields.
    pub fn invalid(fields: &[&str]) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_FIELDS", fields)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().expect("every error has an ErrorInfo");
        assert_eq!(info.domain, "challenges-catalog");
        let bad = details.bad_request().map(|bad| &bad.field_violations);
        let fields = bad.into_iter().flatten();
        for violation in fields.clone() {
            assert!(!violation.description.is_empty(), "{violation:?}");
        }
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            fields: fields.map(|violation| violation.field.clone()).collect(),
        }
    }
}

/// The refusal of a call that must not work.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> Refusal {
    answer.unwrap_err().into()
}
