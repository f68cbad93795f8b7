use async_trait::async_trait;
use tonic::{Request, Response, Status};

use super::{
    controls::{Asker, RowWords, version_text},
    convert,
    fields::FieldViolations,
    status::to_status,
};
use crate::{
    domain::{Environment, Error, Evaluation, RuntimeSetting},
    pb::admin::v1::{self as pb, runtime_settings_server::RuntimeSettings},
    service::{ControlsService, SettingChange},
};

/// The service `challenges.admin.v1.RuntimeSettings`: decode, one call, encode.
#[derive(Clone)]
pub struct RuntimeSettingsTransport {
    service: ControlsService,
}

impl RuntimeSettingsTransport {
    /// Serves `service`.
    #[must_use]
    pub fn new(service: ControlsService) -> Self {
        Self { service }
    }

    async fn update(
        &self,
        request: &pb::UpdateRuntimeSettingRequest,
        asker: &Asker,
    ) -> Result<pb::UpdateRuntimeSettingResponse, Error> {
        let mut violations = FieldViolations::default();
        let value = violations.field(
            "value",
            request.value.ok_or_else(|| "must be given".to_owned()),
        );
        let comment = violations.comment(request.comment.as_deref());
        let environment = violations.environment(request.environment.as_deref());
        let etag = violations.field("etag", convert::etag(&request.etag));
        let editor = asker.editor(&mut violations);
        let (Some(value), Some(comment), Some(environment), Some(etag), Some(editor)) =
            (value, comment, environment, etag, editor)
        else {
            return Err(violations.into());
        };
        let change = SettingChange {
            value,
            comment,
            environment,
        };
        let updated = self
            .service
            .update_setting(&request.name, &change, etag, editor);
        let (setting, version) = updated.await?;
        Ok(pb::UpdateRuntimeSettingResponse {
            setting: Some(setting.into()),
            version: version.to_string(),
        })
    }

    async fn reset(
        &self,
        request: &pb::ResetRuntimeSettingRequest,
    ) -> Result<pb::ResetRuntimeSettingResponse, Error> {
        let mut violations = FieldViolations::default();
        let environment = violations.environment(request.environment.as_deref());
        let etag = violations.field("etag", convert::etag(&request.etag));
        let (Some(environment), Some(etag)) = (environment, etag) else {
            return Err(violations.into());
        };
        let reset = self
            .service
            .reset_setting(&request.name, environment.as_ref(), etag);
        let (setting, version) = reset.await?;
        Ok(pb::ResetRuntimeSettingResponse {
            setting: Some(setting.into()),
            version: version.to_string(),
        })
    }
}

#[async_trait]
impl RuntimeSettings for RuntimeSettingsTransport {
    async fn list_runtime_settings(
        &self,
        _: Request<pb::ListRuntimeSettingsRequest>,
    ) -> Result<Response<pb::ListRuntimeSettingsResponse>, Status> {
        let settings = self.service.settings().await;
        let (environment, version) = self.service.place();
        Ok(Response::new(pb::ListRuntimeSettingsResponse {
            settings: settings.into_iter().map(Into::into).collect(),
            version: version_text(version),
            environment: environment
                .as_ref()
                .map(Environment::to_string)
                .unwrap_or_default(),
        }))
    }

    async fn update_runtime_setting(
        &self,
        request: Request<pb::UpdateRuntimeSettingRequest>,
    ) -> Result<Response<pb::UpdateRuntimeSettingResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let asker = Asker::new(metadata);
        let updated = self.update(&request, &asker).await;
        updated
            .map(Response::new)
            .map_err(|error| to_status(&error, asker.request_id()))
    }

    async fn reset_runtime_setting(
        &self,
        request: Request<pb::ResetRuntimeSettingRequest>,
    ) -> Result<Response<pb::ResetRuntimeSettingResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let asker = Asker::new(metadata);
        let reset = self.reset(&request).await;
        reset
            .map(Response::new)
            .map_err(|error| to_status(&error, asker.request_id()))
    }
}

impl From<Evaluation<RuntimeSetting>> for pb::RuntimeSetting {
    fn from(evaluation: Evaluation<RuntimeSetting>) -> Self {
        let definition = evaluation.control.definition();
        let words = RowWords::from(&evaluation);
        Self {
            name: definition.name.to_owned(),
            value: number(evaluation.value),
            source: pb::ValueSource::from(evaluation.source).into(),
            description: definition.description.to_owned(),
            min: number(definition.min),
            max: number(definition.max),
            environment_variable: definition.env.to_owned(),
            value_without_row: number(evaluation.configured),
            environment: words.environment,
            comment: words.comment,
            create_time: words.create_time,
            update_time: words.update_time,
            created_by: words.created_by,
            updated_by: words.updated_by,
            problem: words.problem,
            etag: words.etag,
        }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
