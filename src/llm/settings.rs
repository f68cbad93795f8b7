use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Notify;
use url::Url;

use super::TimeLimits;
use crate::domain::Route;

/// Where a provider is, and what it is asked for. `Debug` does not show the key.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// `http` or `https`, without credentials and query; may have a path. The protocol's own path
    /// is put behind it.
    pub base_url: Url,
    /// What proves who we are; a provider in one's own network may want none.
    pub key: Option<SecretString>,
    /// The model, as the provider names it.
    pub model: String,
    /// 0 to 2 000, in thousandths. 1 000 is every provider's default and is not sent, because
    /// newer models refuse any other value, and some the field itself.
    pub temperature_milli: u32,
    /// The provider stops here; 1 or more.
    pub max_output_tokens: u32,
    /// How long an attempt may take.
    pub limits: TimeLimits,
    /// Told each time that the provider refuses the key.
    pub denied: Arc<Notify>,
}

impl ProviderSettings {
    /// The route that a writer with these settings is.
    pub(super) fn route(&self, provider: &str) -> Route {
        Route {
            provider: provider.to_owned(),
            model: self.model.clone(),
            temperature_milli: self.temperature_milli,
            max_output_tokens: self.max_output_tokens,
        }
    }

    /// The temperature to send, if it is to be sent at all.
    pub(super) fn temperature(&self) -> Option<f64> {
        (self.temperature_milli != 1_000).then(|| f64::from(self.temperature_milli) / 1_000.0)
    }
}

/// Why no writer could be made. Never holds the key.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The key cannot stand in an HTTP header.
    #[error("the key has characters that cannot be sent")]
    Key,
    /// The machine trusts nobody, so no `https` provider can be believed.
    #[error("no trusted certificates were found on this machine, which https needs")]
    NoRoots,
    /// TLS or the HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}
