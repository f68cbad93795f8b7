//! Builds what is served over HTTP from its settings.
use std::sync::Arc;

use super::{clock::SystemClock, error::Error};
use crate::{
    config::{Config, HttpCaching, HttpCompat, HttpOrigin},
    http::{CacheProfile, CompatForm, CompatSettings, Cors, HttpService, HttpSettings},
    transport::Edge,
};

/// HTTP beside `edge`, if it is served.
///
/// # Errors
///
/// When the contract has a mistake.
pub(super) fn http_service(config: &Config, edge: &Edge) -> Result<Option<HttpService>, Error> {
    if config.http.addr.is_none() {
        return Ok(None);
    }
    let origins = config.http.cors_origins.iter();
    let settings = HttpSettings {
        caching: match config.http.caching {
            HttpCaching::Proof => CacheProfile::Proof,
            HttpCaching::Edge => CacheProfile::Edge,
            HttpCaching::Off => CacheProfile::Off,
        },
        max_staleness: config.cache.max_staleness,
        max_body_bytes: config.server.max_message_bytes,
        compat: CompatSettings {
            form: match config.http.compat {
                HttpCompat::Plan => CompatForm::Plan,
                HttpCompat::Deployed => CompatForm::Deployed,
            },
            is_encrypted: config.access.tls_cert.is_some(),
        },
        cors: Cors::new(
            origins.map(HttpOrigin::as_str).map(str::to_owned).collect(),
            config.access.access_file.is_some(),
        ),
    };
    let http = HttpService::new(settings, edge.clone(), Arc::new(SystemClock))?;
    Ok(Some(http))
}
