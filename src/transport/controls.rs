//! What flags and settings have in common, on the wire.
use http::HeaderMap;
use tonic::metadata::MetadataMap;

use super::{
    caller::{self, CALLER_ID},
    context::REQUEST_ID,
    convert::{etag_text, timestamp},
    fields::FieldViolations,
};
use crate::{
    domain::{Environment, Evaluation, RuntimeControl, ValueSource, Version},
    pb::admin::v1 as pb,
    service::etag_of,
};

/// The longest remark, in characters.
const COMMENT_MAX: usize = 1_000;

impl From<ValueSource> for pb::ValueSource {
    fn from(source: ValueSource) -> Self {
        match source {
            ValueSource::EnvironmentRow => Self::EnvironmentRow,
            ValueSource::AllRow => Self::AllRow,
            ValueSource::Settings => Self::Settings,
            ValueSource::Default => Self::Default,
        }
    }
}

/// What is said of the row behind a value.
pub(super) struct RowWords {
    pub(super) environment: String,
    pub(super) comment: String,
    pub(super) create_time: Option<prost_types::Timestamp>,
    pub(super) update_time: Option<prost_types::Timestamp>,
    pub(super) created_by: String,
    pub(super) updated_by: String,
    pub(super) problem: String,
    pub(super) etag: String,
}

impl<C: RuntimeControl> From<&Evaluation<C>> for RowWords {
    fn from(evaluation: &Evaluation<C>) -> Self {
        let here = evaluation.row.as_ref();
        let row = here.or(evaluation.elsewhere.as_ref());
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let environment = here.map(|row| row.environment.as_deref().unwrap_or(Environment::ALL));
        Self {
            environment: environment.unwrap_or_default().to_owned(),
            comment: text(row.and_then(|row| row.description.as_ref())),
            create_time: row.and_then(|row| row.created_at).map(timestamp),
            update_time: row.and_then(|row| row.updated_at).map(timestamp),
            created_by: text(row.and_then(|row| row.created_by.as_ref())),
            updated_by: text(row.and_then(|row| row.updated_by.as_ref())),
            problem: text(evaluation.problem.as_ref()),
            etag: etag_text(etag_of(row)),
        }
    }
}

/// A version as callers carry it; empty before there is one.
pub(super) fn version_text(version: Option<Version>) -> String {
    version.as_ref().map(Version::to_string).unwrap_or_default()
}

/// Who is to stand in the row, and the correlation id.
pub(super) struct Asker {
    headers: HeaderMap,
}

impl Asker {
    pub(super) fn new(metadata: MetadataMap) -> Self {
        Self {
            headers: metadata.into_headers(),
        }
    }

    pub(super) fn request_id(&self) -> &str {
        let id = self.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        id.unwrap_or_default()
    }

    /// Whom the metadata names, if it names somebody.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    pub(super) fn editor(&self, violations: &mut FieldViolations) -> Option<Option<&str>> {
        violations.field(CALLER_ID.as_str(), caller::name(&self.headers))
    }
}

impl FieldViolations {
    /// The field `environment`.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    pub(super) fn environment(&mut self, text: Option<&str>) -> Option<Option<Environment>> {
        match text {
            None => Some(None),
            Some(text) => self
                .field("environment", Environment::parse(text))
                .map(Some),
        }
    }

    /// The field `comment`.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    pub(super) fn comment(&mut self, text: Option<&str>) -> Option<Option<String>> {
        let read = match text {
            Some(text) if text.chars().count() > COMMENT_MAX => {
                Err(format!("must be at most {COMMENT_MAX} characters"))
            }
            Some(text) if text.chars().any(char::is_control) => {
                Err("must have no control characters".to_owned())
            }
            text => Ok(text.map(str::to_owned)),
        };
        self.field("comment", read)
    }
}
