use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthApi, HealthServer},
    server::{HealthReporter, HealthService},
};

use super::admin::CacheAdminTransport;
use crate::pb::admin::v1::cache_admin_server::CacheAdminServer;

/// The name of the catalog's own health.
const CATALOG: &str = "challenges.catalog.v1.ChallengesCatalog";

/// What `grpc.health.v1` says of this replica, name by name.
///
/// `""` and `readiness` tell whether the replica can answer; `startup` whether
/// it ever could; `liveness` never looks at anything; `dependency/…` are for eyes and alerts.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
}

/// The names that tell whether calls should come here.
const READINESS: [&str; 3] = ["", "readiness", CATALOG];

impl Health {
    /// Alive, but not ready for anything yet.
    pub async fn starting() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
        };
        health.set("liveness", true).await;
        health.set("startup", false).await;
        health.set_ready(false).await;
        health
    }

    /// The service that answers `Check` and `Watch`.
    #[must_use]
    pub fn service(&self) -> HealthServer<impl HealthApi> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Says of one name whether it serves.
    pub async fn set(&self, name: &str, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status(name, status).await;
    }

    /// Says whether calls should come here.
    pub async fn set_ready(&self, ready: bool) {
        for name in READINESS {
            self.set(name, ready).await;
        }
    }

    /// Ends every `Watch`: an open one would hold up the shutdown.
    pub async fn close(&mut self, names: &[&str]) {
        for name in READINESS
            .iter()
            .chain(["liveness", "startup"].iter())
            .chain(names)
        {
            self.reporter.clear_service_status(name).await;
        }
    }

    /// `admin`, health and reflection (v1, and v1alpha for older tools), with the
    /// messages that error details are made of, so that tools can show them.
    ///
    /// # Errors
    ///
    /// When the compiled-in descriptors cannot be read.
    pub fn routes(
        &self,
        admin: CacheAdminTransport,
    ) -> Result<Routes, tonic_reflection::server::Error> {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(crate::pb::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        Ok(Routes::new(self.service())
            .add_service(CacheAdminServer::new(admin))
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?))
    }
}
