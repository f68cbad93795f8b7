//! The operators' side of a replica.
use challenges_catalog::pb::admin::v1::{
    FeatureFlag, GetFeatureFlagRequest, ListFeatureFlagsRequest, ResetFeatureFlagRequest,
    UpdateFeatureFlagRequest, UpdateFeatureFlagResponse, feature_flags_client::FeatureFlagsClient,
    runtime_settings_client::RuntimeSettingsClient,
};
use tonic::{Status, transport::Channel};

use crate::support::replica::Replica;

async fn channel(replica: &Replica) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    endpoint.connect().await.unwrap()
}

pub async fn flags(replica: &Replica) -> FeatureFlagsClient<Channel> {
    FeatureFlagsClient::new(channel(replica).await)
}

pub async fn settings(replica: &Replica) -> RuntimeSettingsClient<Channel> {
    RuntimeSettingsClient::new(channel(replica).await)
}

/// A switch to be thrown.
pub fn switch(name: &str, enabled: bool) -> UpdateFeatureFlagRequest {
    UpdateFeatureFlagRequest {
        name: name.to_owned(),
        enabled: Some(enabled),
        ..Default::default()
    }
}

pub async fn update(
    replica: &Replica,
    request: UpdateFeatureFlagRequest,
) -> Result<UpdateFeatureFlagResponse, Status> {
    let answer = flags(replica).await.update_feature_flag(request).await;
    answer.map(tonic::Response::into_inner)
}

/// Switches a flag.
pub async fn set_flag(replica: &Replica, name: &str, enabled: bool) -> UpdateFeatureFlagResponse {
    update(replica, switch(name, enabled)).await.unwrap()
}

pub async fn reset(replica: &Replica, name: &str) -> FeatureFlag {
    let request = ResetFeatureFlagRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    let answer = flags(replica).await.reset_feature_flag(request).await;
    answer.unwrap().into_inner().flag.unwrap()
}

pub async fn get(replica: &Replica, name: &str) -> FeatureFlag {
    let request = GetFeatureFlagRequest {
        name: name.to_owned(),
    };
    let answer = flags(replica).await.get_feature_flag(request).await;
    answer.unwrap().into_inner().flag.unwrap()
}

pub async fn all(replica: &Replica) -> Vec<FeatureFlag> {
    let request = ListFeatureFlagsRequest {};
    let answer = flags(replica).await.list_feature_flags(request).await;
    answer.unwrap().into_inner().flags
}
