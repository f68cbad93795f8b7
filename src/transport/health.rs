//! The service `grpc.health.v1.Health`, as the protocol's document says.
use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{
    health_state::{HealthState, Statuses},
    status,
};
use crate::pb::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus, health_server::Health,
};

/// The most names that `List` tells, as gRFC A90 says.
const NAMES_MAX: usize = 100;

/// The service `grpc.health.v1.Health`.
pub(super) struct HealthTransport {
    state: HealthState,
}

impl HealthTransport {
    /// Says what `state` says.
    pub(super) fn new(state: HealthState) -> Self {
        Self { state }
    }
}

#[async_trait]
impl Health for HealthTransport {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        let status = self.state.get(name);
        let status = status.ok_or_else(|| status::unknown_health_name(name))?;
        Ok(Response::new(response(status)))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let statuses = self.state.all();
        if statuses.len() > NAMES_MAX {
            return Err(status::too_many_health_names(NAMES_MAX));
        }
        let statuses = statuses.into_iter();
        let statuses = statuses.map(|(name, status)| (name, response(status)));
        Ok(Response::new(HealthListResponse {
            statuses: statuses.collect(),
        }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watch = Watch {
            name: request.into_inner().service,
            statuses: self.state.subscribe(),
            told: None,
        };
        let changes = stream::unfold(watch, async |mut watch| {
            let status = watch.next().await?;
            Some((Ok(response(status)), watch))
        });
        Ok(Response::new(changes.boxed()))
    }
}

/// One caller that watches one name.
struct Watch {
    name: String,
    statuses: watch::Receiver<Statuses>,
    told: Option<ServingStatus>,
}

impl Watch {
    /// Waits until the name stands otherwise than was told; `None` when nothing changes any more.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let (status, is_final) = {
                let statuses = self.statuses.borrow_and_update();
                (statuses.get(&self.name), statuses.is_final())
            };
            let status = status.unwrap_or(ServingStatus::ServiceUnknown);
            if self.told.replace(status) != Some(status) {
                return Some(status);
            }
            if is_final || self.statuses.changed().await.is_err() {
                return None;
            }
        }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
