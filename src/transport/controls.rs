//! The services `challenges.admin.v1.FeatureFlags` and `challenges.admin.v1.RuntimeSettings`, by which operators change rows
//! while the service runs. They differ in their messages only.
use async_trait::async_trait;
use http::HeaderMap;
use tonic::{Request, Response, Status};

use super::{
    caller::{self, CALLER_ID},
    context::{RequestContext, parts},
    convert::{etag_text, read_etag, same_variants, timestamp},
};
use crate::{
    domain::{
        Environment, Evaluation, FieldViolations, Flag, FlagChange, FlagValue, Percentage,
        RolloutScope, RuntimeControl, RuntimeSetting, StoredControl, ValueSource, Version,
    },
    pb::admin::v1::{
        self as pb, feature_flags_server::FeatureFlags, runtime_settings_server::RuntimeSettings,
    },
    service::{ControlChange, ControlsService, RowTarget, etag_of},
};

/// The longest remark, in characters.
const COMMENT_MAX: usize = 1_000;

/// Both services: decode, one call, encode.
#[derive(Clone)]
pub struct ControlsTransport {
    service: ControlsService,
}

/// What the update of either kind asks for.
struct Update<T> {
    name: String,
    /// `None` for one that was noted as wrong.
    value: Option<T>,
    comment: Option<String>,
    environment: Option<String>,
    etag: String,
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

    /// Changes one control; says how it stands then, and the version of the change.
    async fn update<C: StoredControl>(
        &self,
        update: Update<C::Change>,
        mut violations: FieldViolations,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<(Evaluation<C>, String), Status> {
        let comment = violations.comment(update.comment);
        let target = violations.target(update.environment.as_deref(), &update.etag);
        let editor = violations.field(CALLER_ID.as_str(), caller::editor(headers, call));
        let (Some(value), Some(comment), Some(target), Some(editor), true) =
            (update.value, comment, target, editor, violations.is_empty())
        else {
            return Err(call.refused(&violations.into()));
        };
        let change = ControlChange { value, comment };
        let updated = self
            .service
            .update(&update.name, &change, &target, editor.as_deref());
        let (evaluation, version) = call.result(updated.await)?;
        Ok((evaluation, version.to_string()))
    }

    /// Takes out the row of one control, likewise.
    async fn reset<C: StoredControl>(
        &self,
        name: &str,
        (environment, etag): (Option<String>, String),
        call: &RequestContext,
    ) -> Result<(Evaluation<C>, String), Status> {
        let mut violations = FieldViolations::default();
        let Some(target) = violations.target(environment.as_deref(), &etag) else {
            return Err(call.refused(&violations.into()));
        };
        let (evaluation, version) = call.result(self.service.reset(name, &target).await)?;
        Ok((evaluation, version.to_string()))
    }
}

#[async_trait]
impl FeatureFlags for ControlsTransport {
    async fn list_feature_flags(
        &self,
        _: Request<pb::ListFeatureFlagsRequest>,
    ) -> Result<Response<pb::ListFeatureFlagsResponse>, Status> {
        let (flags, is_current) = self.service.list::<Flag>().await;
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
        let (flag, is_current) = call.result(self.service.get::<Flag>(&request.name).await)?;
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
        let enabled = request.enabled;
        let update = Update {
            name: request.name,
            value: rollout.map(|rollout| FlagChange { enabled, rollout }),
            comment: request.comment,
            environment: request.environment,
            etag: request.etag,
        };
        let updated = self.update::<Flag>(update, violations, &headers, &call);
        let (flag, version) = updated.await?;
        Ok(Response::new(pb::UpdateFeatureFlagResponse {
            flag: Some(flag.into()),
            version,
        }))
    }

    async fn reset_feature_flag(
        &self,
        request: Request<pb::ResetFeatureFlagRequest>,
    ) -> Result<Response<pb::ResetFeatureFlagResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let row = (request.environment, request.etag);
        let (flag, version) = self.reset::<Flag>(&request.name, row, &call).await?;
        Ok(Response::new(pb::ResetFeatureFlagResponse {
            flag: Some(flag.into()),
            version,
        }))
    }
}

#[async_trait]
impl RuntimeSettings for ControlsTransport {
    async fn list_runtime_settings(
        &self,
        _: Request<pb::ListRuntimeSettingsRequest>,
    ) -> Result<Response<pb::ListRuntimeSettingsResponse>, Status> {
        let (settings, is_current) = self.service.list::<RuntimeSetting>().await;
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
        let update = Update {
            name: request.name,
            value: violations.field("value", value),
            comment: request.comment,
            environment: request.environment,
            etag: request.etag,
        };
        let updated = self.update::<RuntimeSetting>(update, violations, &headers, &call);
        let (setting, version) = updated.await?;
        Ok(Response::new(pb::UpdateRuntimeSettingResponse {
            setting: Some(setting.into()),
            version,
        }))
    }

    async fn reset_runtime_setting(
        &self,
        request: Request<pb::ResetRuntimeSettingRequest>,
    ) -> Result<Response<pb::ResetRuntimeSettingResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let row = (request.environment, request.etag);
        let reset = self.reset::<RuntimeSetting>(&request.name, row, &call);
        let (setting, version) = reset.await?;
        Ok(Response::new(pb::ResetRuntimeSettingResponse {
            setting: Some(setting.into()),
            version,
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
    let given = [
        ("enabled", request.enabled.is_some()),
        ("rollout_percentage", request.rollout_percentage.is_some()),
        ("comment", request.comment.is_some()),
        ("environment", request.environment.is_some()),
    ];
    let paths = || given.map(|(path, _)| path).join(", ");
    for (index, path) in mask.iter().enumerate() {
        match given.iter().find(|(known, _)| known == path) {
            Some((_, true)) => {}
            Some((_, false)) => violations.note(path, "is in update_mask, and has no value"),
            None => {
                let problem = format!("must be one of {}", paths());
                violations.note(&format!("update_mask.paths[{index}]"), problem);
            }
        }
    }
    let is_wanted = |path: &str| mask.is_empty() || mask.iter().any(|named| named == path);
    request.enabled.take_if(|_| !is_wanted("enabled"));
    let rollout = &mut request.rollout_percentage;
    rollout.take_if(|_| !is_wanted("rollout_percentage"));
    request.comment.take_if(|_| !is_wanted("comment"));
    request.environment.take_if(|_| !is_wanted("environment"));
    let is_empty = !given
        .iter()
        .any(|(path, is_given)| *is_given && is_wanted(path));
    if is_empty && violations.is_empty() {
        let problem = format!("nothing is given to be changed: {}", paths());
        violations.note("update_mask", problem);
    }
    request
}

impl FieldViolations {
    /// The fields `environment` and `etag`, which tell the row that a change is for.
    fn target(&mut self, environment: Option<&str>, etag: &str) -> Option<RowTarget> {
        let environment = environment.map(Environment::parse).transpose();
        let environment = self.field("environment", environment);
        let etag = self.field("etag", read_etag(etag));
        let target = environment.zip(etag);
        target.map(|(environment, etag)| RowTarget { environment, etag })
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

/// The message of a control: the fields that both kinds have, from its row or from the one that
/// counts elsewhere, and `$field`s.
macro_rules! control_message {
    ($message:ident, $evaluation:ident, { $($field:ident: $value:expr,)+ }) => {{
        let definition = $evaluation.control.definition();
        let (here, elsewhere) = ($evaluation.row.as_ref(), $evaluation.elsewhere.as_ref());
        let row = here.or(elsewhere);
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let environment = here.map(|row| row.environment.as_deref().unwrap_or(Environment::ALL));
        pb::$message {
            name: definition.name.to_owned(),
            source: pb::ValueSource::from($evaluation.source).into(),
            description: definition.description.to_owned(),
            environment_variable: definition.env.to_owned(),
            environment: environment.unwrap_or_default().to_owned(),
            comment: text(row.and_then(|row| row.description.as_ref())),
            create_time: row.and_then(|row| row.created_at).map(timestamp),
            update_time: row.and_then(|row| row.updated_at).map(timestamp),
            created_by: text(row.and_then(|row| row.created_by.as_ref())),
            updated_by: text(row.and_then(|row| row.updated_by.as_ref())),
            problem: text($evaluation.problem.as_ref()),
            etag: etag_text(etag_of(row)),
            $($field: $value,)+
        }
    }};
}

impl From<Evaluation<Flag>> for pb::FeatureFlag {
    fn from(flag: Evaluation<Flag>) -> Self {
        let scope = flag.control.definition().rollout_scope;
        // A row that makes no sense changes nothing there, and says off here.
        let elsewhere = flag.elsewhere.as_ref().map(|row| {
            let value = flag.control.read(&row.raw);
            let value = value.unwrap_or(FlagValue::all(false));
            pb::FeatureFlagElsewhere {
                environment: row.environment.clone().unwrap_or_default(),
                enabled: value.enabled,
                rollout_percentage: value.rollout.get().into(),
            }
        });
        control_message!(FeatureFlag, flag, {
            enabled: flag.value.enabled,
            rollout_percentage: flag.value.rollout.get().into(),
            has_rollout: scope == RolloutScope::Callers,
            enabled_without_row: flag.configured.value.enabled,
            elsewhere: elsewhere,
        })
    }
}

impl From<Evaluation<RuntimeSetting>> for pb::RuntimeSetting {
    fn from(setting: Evaluation<RuntimeSetting>) -> Self {
        let range = setting.control.definition();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        control_message!(RuntimeSetting, setting, {
            value: number(setting.value),
            min: number(range.min),
            max: number(range.max),
            value_without_row: number(setting.configured.value),
        })
    }
}
