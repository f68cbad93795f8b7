//! The settings of a provider's adapter.
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
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
    /// For Anthropic's protocol: what is sent as a bearer token, as gateways want it.
    pub auth_token: Option<SecretString>,
    /// Headers that every request has besides; they win over ours.
    pub extra_headers: Vec<(String, SecretString)>,
    /// The model, as the provider names it.
    pub model: String,
    /// 0 to 2 000, in thousandths. 1 000 is every provider's default and is not sent, because
    /// newer models refuse any other value, and some the field itself.
    pub temperature_milli: u32,
    /// The provider stops here; 1 or more.
    pub max_output_tokens: u32,
    /// For `OpenAI`'s protocol: how the limit of tokens is called; `None` to find it out.
    pub token_limit: Option<TokenLimit>,
    /// For `OpenAI`'s protocol: whether requests ask for token counts; `None` to find out whether they may.
    pub stream_usage: Option<bool>,
    /// How long an attempt may take.
    pub limits: TimeLimits,
    /// Notified each time that the provider refuses the key.
    pub key_refused: Arc<Notify>,
}

/// What `OpenAI`'s protocol calls the limit of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// `max_tokens`, which most servers know.
    MaxTokens,
    /// `max_completion_tokens`, which newer models of `OpenAI`'s want.
    MaxCompletionTokens,
}

impl ProviderSettings {
    /// Adds the headers that the settings name to those of the protocol.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) -> Result<(), SetupError> {
        for (name, value) in &self.extra_headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::Header)?;
            headers.insert(name, secret(value.expose_secret())?);
        }
        Ok(())
    }

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

/// The value of a header that nothing shows.
pub(super) fn secret(value: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| SetupError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of the header `authorization` for a token.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, SetupError> {
    secret(&format!("Bearer {}", token.expose_secret()))
}

/// Why no writer could be made. Never holds the key.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The key cannot stand in an HTTP header.
    #[error("the key has characters that cannot be sent")]
    Key,
    /// The name of a header is none.
    #[error("a header's name has characters that cannot be sent")]
    Header,
    /// The machine has no trusted certificates, so no `https` provider can be verified.
    #[error("no trusted certificates were found on this machine, which https needs")]
    NoRoots,
    /// TLS or the HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}
