//! What operators decide by rows while the service runs: the services `challenges.admin.v1.FeatureFlags` and
//! `challenges.admin.v1.RuntimeSettings`.
use async_trait::async_trait;
use tonic::{Request, Response, Status};

use super::{
    caller::{self, CALLER_ID},
    context::parts,
    convert::{etag_text, read_etag, same_variants, timestamp},
};
use crate::{
    domain::{
        ControlRow, Environment, Etag, Evaluation, FieldViolations, Flag, FlagValue, Percentage,
        RawFlag, RolloutScope, RuntimeControl, RuntimeSetting, ValueSource, Version,
    },
    pb::admin::v1::{
        self as pb, feature_flags_server::FeatureFlags, runtime_settings_server::RuntimeSettings,
    },
    service::{ControlsService, FlagChange, SettingChange, etag_of},
};

/// The longest remark, in characters.
const COMMENT_MAX: usize = 1_000;
/// The fields that an update of a flag may name.
const PATHS: [&str; 4] = ["enabled", "rollout_percentage", "comment", "environment"];

/// Both services: decode, one call, encode.
#[derive(Clone)]
pub struct ControlsTransport {
    service: ControlsService,
}

impl ControlsTransport {
    /// Serves `service`.
    #[must_use]
    pub fn new(service: ControlsService) -> Self {
        Self { service }
    }

    /// The environment of this replica, and the version of its rows; both are empty where there is none.
    fn place(&self) -> (String, String) {
        let (environment, version) = self.service.place();
        let environment = environment.as_ref().map(Environment::to_string);
        let version = version.as_ref().map(Version::to_string);
        (environment.unwrap_or_default(), version.unwrap_or_default())
    }
}

#[async_trait]
impl FeatureFlags for ControlsTransport {
    async fn list_feature_flags(
        &self,
        _: Request<pb::ListFeatureFlagsRequest>,
    ) -> Result<Response<pb::ListFeatureFlagsResponse>, Status> {
        let (flags, is_current) = self.service.flags().await;
        let (environment, version) = self.place();
        Ok(Response::new(pb::ListFeatureFlagsResponse {
            flags: flags.into_iter().map(Into::into).collect(),
            version,
            environment,
            stale: !is_current,
        }))
    }

    async fn get_feature_flag(
        &self,
        request: Request<pb::GetFeatureFlagRequest>,
    ) -> Result<Response<pb::GetFeatureFlagResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let (flag, is_current) = call.result(self.service.flag(&request.name).await)?;
        let (_, version) = self.place();
        Ok(Response::new(pb::GetFeatureFlagResponse {
            flag: Some(flag.into()),
            version,
            stale: !is_current,
        }))
    }

    async fn update_feature_flag(
        &self,
        request: Request<pb::UpdateFeatureFlagRequest>,
    ) -> Result<Response<pb::UpdateFeatureFlagResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let request = masked(request, &mut violations);
        let rollout = request.rollout_percentage;
        let rollout = rollout.map(|number| Percentage::parse(number.into()));
        let rollout = violations.field("rollout_percentage", rollout.transpose());
        let comment = violations.comment(request.comment);
        let row = violations.row(request.environment.as_deref(), &request.etag);
        let editor = violations.field(CALLER_ID.as_str(), caller::name(&headers));
        let (Some(rollout), Some(comment), Some((environment, etag)), Some(editor), true) =
            (rollout, comment, row, editor, violations.is_empty())
        else {
            return Err(call.refused(&violations.into()));
        };
        let change = FlagChange {
            enabled: request.enabled,
            rollout,
            comment,
            environment,
        };
        let service = &self.service;
        let updated = service.update_flag(&request.name, &change, etag, editor);
        let (flag, version) = call.result(updated.await)?;
        Ok(Response::new(pb::UpdateFeatureFlagResponse {
            flag: Some(flag.into()),
            version: version.to_string(),
        }))
    }

    async fn reset_feature_flag(
        &self,
        request: Request<pb::ResetFeatureFlagRequest>,
    ) -> Result<Response<pb::ResetFeatureFlagResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let row = violations.row(request.environment.as_deref(), &request.etag);
        let Some((environment, etag)) = row else {
            return Err(call.refused(&violations.into()));
        };
        let service = &self.service;
        let reset = service.reset_flag(&request.name, environment.as_ref(), etag);
        let (flag, version) = call.result(reset.await)?;
        Ok(Response::new(pb::ResetFeatureFlagResponse {
            flag: Some(flag.into()),
            version: version.to_string(),
        }))
    }
}

#[async_trait]
impl RuntimeSettings for ControlsTransport {
    async fn list_runtime_settings(
        &self,
        _: Request<pb::ListRuntimeSettingsRequest>,
    ) -> Result<Response<pb::ListRuntimeSettingsResponse>, Status> {
        let (settings, is_current) = self.service.settings().await;
        let (environment, version) = self.place();
        Ok(Response::new(pb::ListRuntimeSettingsResponse {
            settings: settings.into_iter().map(Into::into).collect(),
            version,
            environment,
            stale: !is_current,
        }))
    }

    async fn update_runtime_setting(
        &self,
        request: Request<pb::UpdateRuntimeSettingRequest>,
    ) -> Result<Response<pb::UpdateRuntimeSettingResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let value = request.value.ok_or_else(|| "must be given".to_owned());
        let value = violations.field("value", value);
        let comment = violations.comment(request.comment);
        let row = violations.row(request.environment.as_deref(), &request.etag);
        let editor = violations.field(CALLER_ID.as_str(), caller::name(&headers));
        let (Some(value), Some(comment), Some((environment, etag)), Some(editor)) =
            (value, comment, row, editor)
        else {
            return Err(call.refused(&violations.into()));
        };
        let change = SettingChange {
            value,
            comment,
            environment,
        };
        let service = &self.service;
        let updated = service.update_setting(&request.name, &change, etag, editor);
        let (setting, version) = call.result(updated.await)?;
        Ok(Response::new(pb::UpdateRuntimeSettingResponse {
            setting: Some(setting.into()),
            version: version.to_string(),
        }))
    }

    async fn reset_runtime_setting(
        &self,
        request: Request<pb::ResetRuntimeSettingRequest>,
    ) -> Result<Response<pb::ResetRuntimeSettingResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let row = violations.row(request.environment.as_deref(), &request.etag);
        let Some((environment, etag)) = row else {
            return Err(call.refused(&violations.into()));
        };
        let service = &self.service;
        let reset = service.reset_setting(&request.name, environment.as_ref(), etag);
        let (setting, version) = call.result(reset.await)?;
        Ok(Response::new(pb::ResetRuntimeSettingResponse {
            setting: Some(setting.into()),
            version: version.to_string(),
        }))
    }
}

/// The request with the fields that its mask names, or else with all of them; notes a mask that makes no
/// sense, and a request that changes nothing.
fn masked(
    mut request: pb::UpdateFeatureFlagRequest,
    violations: &mut FieldViolations,
) -> pb::UpdateFeatureFlagRequest {
    let mask = request.update_mask.take().unwrap_or_default().paths;
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
    let is_wanted = |path: &str| mask.is_empty() || mask.iter().any(|named| named == path);
    request.enabled.take_if(|_| !is_wanted("enabled"));
    let rollout = &mut request.rollout_percentage;
    rollout.take_if(|_| !is_wanted("rollout_percentage"));
    request.comment.take_if(|_| !is_wanted("comment"));
    request.environment.take_if(|_| !is_wanted("environment"));
    let is_empty = request.enabled.is_none()
        && request.rollout_percentage.is_none()
        && request.comment.is_none()
        && request.environment.is_none();
    if is_empty && violations.is_empty() {
        let problem = format!("nothing is given to be changed: {}", PATHS.join(", "));
        violations.note("update_mask", problem);
    }
    request
}

impl FieldViolations {
    /// The fields `environment` and `etag`, which tell the row that a change is for.
    fn row(
        &mut self,
        environment: Option<&str>,
        etag: &str,
    ) -> Option<(Option<Environment>, Option<Etag>)> {
        let environment = environment.map(Environment::parse).transpose();
        let environment = self.field("environment", environment);
        let etag = self.field("etag", read_etag(etag));
        environment.zip(etag)
    }

    /// The field `comment`.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    fn comment(&mut self, comment: Option<String>) -> Option<Option<String>> {
        let text = comment.as_deref().unwrap_or_default();
        let read = if text.chars().count() > COMMENT_MAX {
            Err(format!("must be at most {COMMENT_MAX} characters"))
        } else if text.chars().any(char::is_control) {
            Err("must have no control characters".to_owned())
        } else {
            Ok(comment)
        };
        self.field("comment", read)
    }
}

same_variants! {
    ValueSource => pb::ValueSource { EnvironmentRow, AllRow, Settings, Default }
}

/// What both messages have of the row behind a value; of one that counts elsewhere, if none counts here.
struct RowFields {
    environment: String,
    comment: String,
    create_time: Option<prost_types::Timestamp>,
    update_time: Option<prost_types::Timestamp>,
    created_by: String,
    updated_by: String,
    etag: String,
}

impl<C: RuntimeControl> From<&Evaluation<C>> for RowFields {
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
            etag: etag_text(etag_of(row)),
        }
    }
}

impl From<Evaluation<Flag>> for pb::FeatureFlag {
    fn from(evaluation: Evaluation<Flag>) -> Self {
        let row = RowFields::from(&evaluation);
        let flag = evaluation.control;
        let definition = flag.definition();
        Self {
            name: definition.name.to_owned(),
            enabled: evaluation.value.enabled,
            rollout_percentage: evaluation.value.rollout.get().into(),
            source: pb::ValueSource::from(evaluation.source).into(),
            description: definition.description.to_owned(),
            has_rollout: definition.rollout_scope == RolloutScope::Callers,
            environment_variable: definition.env.to_owned(),
            enabled_without_row: evaluation.configured.enabled,
            environment: row.environment,
            comment: row.comment,
            create_time: row.create_time,
            update_time: row.update_time,
            created_by: row.created_by,
            updated_by: row.updated_by,
            problem: evaluation.problem.unwrap_or_default(),
            etag: row.etag,
            elsewhere: evaluation.elsewhere.map(|row| elsewhere(flag, row)),
        }
    }
}

/// What a row says elsewhere; one that makes no sense changes nothing there, and says off here.
fn elsewhere(flag: Flag, row: ControlRow<RawFlag>) -> pb::FeatureFlagElsewhere {
    let value = flag.read(&row.raw).unwrap_or(FlagValue::all(false));
    pb::FeatureFlagElsewhere {
        environment: row.environment.unwrap_or_default(),
        enabled: value.enabled,
        rollout_percentage: value.rollout.get().into(),
    }
}

impl From<Evaluation<RuntimeSetting>> for pb::RuntimeSetting {
    fn from(evaluation: Evaluation<RuntimeSetting>) -> Self {
        let row = RowFields::from(&evaluation);
        let definition = evaluation.control.definition();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Self {
            name: definition.name.to_owned(),
            value: number(evaluation.value),
            source: pb::ValueSource::from(evaluation.source).into(),
            description: definition.description.to_owned(),
            min: number(definition.min),
            max: number(definition.max),
            environment_variable: definition.env.to_owned(),
            value_without_row: number(evaluation.configured),
            environment: row.environment,
            comment: row.comment,
            create_time: row.create_time,
            update_time: row.update_time,
            created_by: row.created_by,
            updated_by: row.updated_by,
            problem: evaluation.problem.unwrap_or_default(),
            etag: row.etag,
        }
    }
}
