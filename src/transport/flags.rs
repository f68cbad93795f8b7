use async_trait::async_trait;
use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::{
    controls::{Asker, RowWords, version_text},
    convert,
    fields::FieldViolations,
    status::to_status,
};
use crate::{
    domain::{
        ControlRow, Environment, Error, Evaluation, Flag, FlagValue, Percentage, RawFlag,
        RolloutScope, RuntimeControl,
    },
    pb::admin::v1::{self as pb, feature_flags_server::FeatureFlags},
    service::{ControlsService, FlagChange},
};

/// The service `challenges.admin.v1.FeatureFlags`: decode, one call, encode.
#[derive(Clone)]
pub struct FeatureFlagsTransport {
    service: ControlsService,
}

/// The fields that an update may name.
const PATHS: [&str; 4] = ["enabled", "rollout_percentage", "comment", "environment"];

impl FeatureFlagsTransport {
    /// Serves `service`.
    #[must_use]
    pub fn new(service: ControlsService) -> Self {
        Self { service }
    }

    async fn update(
        &self,
        request: &pb::UpdateFeatureFlagRequest,
        asker: &Asker,
    ) -> Result<pb::UpdateFeatureFlagResponse, Error> {
        let mut violations = FieldViolations::default();
        let wanted = Wanted::of(request, &mut violations);
        let rollout = match wanted.rollout_percentage {
            None => Some(None),
            Some(number) => {
                let rollout = Percentage::parse(number.into());
                violations.field("rollout_percentage", rollout).map(Some)
            }
        };
        let comment = violations.comment(wanted.comment);
        let environment = violations.environment(wanted.environment);
        let etag = violations.field("etag", convert::etag(&request.etag));
        let editor = asker.editor(&mut violations);
        let (Some(rollout), Some(comment), Some(environment), Some(etag), Some(editor), true) = (
            rollout,
            comment,
            environment,
            etag,
            editor,
            violations.is_empty(),
        ) else {
            return Err(violations.into());
        };
        let change = FlagChange {
            enabled: wanted.enabled,
            rollout,
            comment,
            environment,
        };
        let updated = self
            .service
            .update_flag(&request.name, &change, etag, editor);
        let (flag, version) = updated.await?;
        Ok(pb::UpdateFeatureFlagResponse {
            flag: Some(flag.into()),
            version: version.to_string(),
        })
    }

    async fn reset(
        &self,
        request: &pb::ResetFeatureFlagRequest,
    ) -> Result<pb::ResetFeatureFlagResponse, Error> {
        let mut violations = FieldViolations::default();
        let environment = violations.environment(request.environment.as_deref());
        let etag = violations.field("etag", convert::etag(&request.etag));
        let (Some(environment), Some(etag)) = (environment, etag) else {
            return Err(violations.into());
        };
        let reset = self
            .service
            .reset_flag(&request.name, environment.as_ref(), etag);
        let (flag, version) = reset.await?;
        Ok(pb::ResetFeatureFlagResponse {
            flag: Some(flag.into()),
            version: version.to_string(),
        })
    }
}

#[async_trait]
impl FeatureFlags for FeatureFlagsTransport {
    async fn list_feature_flags(
        &self,
        _: Request<pb::ListFeatureFlagsRequest>,
    ) -> Result<Response<pb::ListFeatureFlagsResponse>, Status> {
        let flags = self.service.flags().await;
        let (environment, version) = self.service.place();
        Ok(Response::new(pb::ListFeatureFlagsResponse {
            flags: flags.into_iter().map(Into::into).collect(),
            version: version_text(version),
            environment: environment
                .as_ref()
                .map(Environment::to_string)
                .unwrap_or_default(),
        }))
    }

    async fn get_feature_flag(
        &self,
        request: Request<pb::GetFeatureFlagRequest>,
    ) -> Result<Response<pb::GetFeatureFlagResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let asker = Asker::new(metadata);
        let flag = self.service.flag(&request.name).await;
        let flag = flag.map_err(|error| to_status(&error, asker.request_id()))?;
        Ok(Response::new(pb::GetFeatureFlagResponse {
            flag: Some(flag.into()),
            version: version_text(self.service.place().1),
        }))
    }

    async fn update_feature_flag(
        &self,
        request: Request<pb::UpdateFeatureFlagRequest>,
    ) -> Result<Response<pb::UpdateFeatureFlagResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let asker = Asker::new(metadata);
        let updated = self.update(&request, &asker).await;
        updated
            .map(Response::new)
            .map_err(|error| to_status(&error, asker.request_id()))
    }

    async fn reset_feature_flag(
        &self,
        request: Request<pb::ResetFeatureFlagRequest>,
    ) -> Result<Response<pb::ResetFeatureFlagResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let asker = Asker::new(metadata);
        let reset = self.reset(&request).await;
        reset
            .map(Response::new)
            .map_err(|error| to_status(&error, asker.request_id()))
    }
}

/// What of the request is to be changed: the fields that the mask names, or else those given.
#[derive(Default)]
struct Wanted<'a> {
    enabled: Option<bool>,
    rollout_percentage: Option<i32>,
    comment: Option<&'a str>,
    environment: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a pb::UpdateFeatureFlagRequest, violations: &mut FieldViolations) -> Self {
        let mask = request.update_mask.as_ref().map_or(&[][..], paths);
        check_mask(mask, request, violations);
        let is_wanted = |path: &str| mask.is_empty() || mask.iter().any(|named| named == path);
        let wanted = Self {
            enabled: request.enabled.filter(|_| is_wanted("enabled")),
            rollout_percentage: request
                .rollout_percentage
                .filter(|_| is_wanted("rollout_percentage")),
            comment: request.comment.as_deref().filter(|_| is_wanted("comment")),
            environment: request
                .environment
                .as_deref()
                .filter(|_| is_wanted("environment")),
        };
        if wanted.is_empty() && violations.is_empty() {
            violations.note(
                "update_mask",
                format!("nothing is given to be changed: {}", PATHS.join(", ")),
            );
        }
        wanted
    }

    fn is_empty(&self) -> bool {
        self.enabled.is_none()
            && self.rollout_percentage.is_none()
            && self.comment.is_none()
            && self.environment.is_none()
    }
}

fn paths(mask: &FieldMask) -> &[String] {
    &mask.paths
}

fn check_mask(
    mask: &[String],
    request: &pb::UpdateFeatureFlagRequest,
    violations: &mut FieldViolations,
) {
    for (index, path) in mask.iter().enumerate() {
        let is_given = match path.as_str() {
            "enabled" => request.enabled.is_some(),
            "rollout_percentage" => request.rollout_percentage.is_some(),
            "comment" => request.comment.is_some(),
            "environment" => request.environment.is_some(),
            _ => {
                let problem = format!("must be one of {}", PATHS.join(", "));
                violations.note(&format!("update_mask.paths[{index}]"), problem);
                continue;
            }
        };
        if !is_given {
            violations.note(path, "is in update_mask, and has no value");
        }
    }
}

impl From<Evaluation<Flag>> for pb::FeatureFlag {
    fn from(evaluation: Evaluation<Flag>) -> Self {
        let definition = evaluation.control.definition();
        let words = RowWords::from(&evaluation);
        let flag = evaluation.control;
        let elsewhere = evaluation.elsewhere.map(|row| elsewhere(flag, &row));
        Self {
            name: definition.name.to_owned(),
            enabled: evaluation.value.enabled,
            rollout_percentage: evaluation.value.rollout.get().into(),
            source: pb::ValueSource::from(evaluation.source).into(),
            description: definition.description.to_owned(),
            has_rollout: definition.rollout_scope == RolloutScope::Callers,
            environment_variable: definition.env.to_owned(),
            enabled_without_row: evaluation.configured.enabled,
            environment: words.environment,
            comment: words.comment,
            create_time: words.create_time,
            update_time: words.update_time,
            created_by: words.created_by,
            updated_by: words.updated_by,
            problem: words.problem,
            etag: words.etag,
            elsewhere,
        }
    }
}

/// What a row says elsewhere; one that makes no sense changes nothing there, and says off here.
fn elsewhere(flag: Flag, row: &ControlRow<RawFlag>) -> pb::FeatureFlagElsewhere {
    let value = flag.read(&row.raw).unwrap_or(FlagValue::all(false));
    pb::FeatureFlagElsewhere {
        environment: row.environment.clone().unwrap_or_default(),
        enabled: value.enabled,
        rollout_percentage: value.rollout.get().into(),
    }
}
