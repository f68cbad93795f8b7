//! The clients of the configured LLM providers, and the reload of their API keys.
use std::sync::Arc;

use tokio::sync::Notify;

use super::{clock::SystemClock, error::Error};
use crate::{
    config::{Config, ProviderConfig, ProvidersConfig, TokenLimitField},
    domain::{Clock, TipWriter},
    llm::{ProviderProtocol, ProviderSettings, ProviderWriter, SetupError, TimeLimits, TokenLimit},
};

/// The clients of the configured providers.
pub(super) struct ProviderClients {
    pub(super) anthropic: Option<Arc<ProviderWriter>>,
    pub(super) openai: Option<Arc<ProviderWriter>>,
    /// The providers as configured at the start; their addresses never change.
    at_start: ProvidersConfig,
    /// Notified whenever a provider refuses its key.
    pub(super) key_refused: Arc<Notify>,
}

impl ProviderClients {
    /// Builds the clients without connecting them.
    pub(super) fn of(config: &Config) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key_refused = Arc::new(Notify::new());
        let anthropic = config.providers.anthropic.as_ref().map(|provider| {
            let settings = provider_settings(provider, config, &key_refused);
            let protocol = ProviderProtocol::Anthropic;
            let made = ProviderWriter::new(protocol, &settings, Arc::clone(&clock)).map(Arc::new);
            made.map_err(|error| format!("Anthropic cannot write tips: {error}"))
        });
        let openai = config.providers.openai.as_ref().map(|provider| {
            let settings = provider_settings(provider, config, &key_refused);
            let protocol = ProviderProtocol::OpenAi;
            let made = ProviderWriter::new(protocol, &settings, Arc::clone(&clock)).map(Arc::new);
            made.map_err(|error| format!("{} cannot write tips: {error}", provider.base_url))
        });
        Ok(Self {
            anthropic: anthropic.transpose()?,
            openai: openai.transpose()?,
            at_start: config.providers.clone(),
            key_refused,
        })
    }

    /// Sends requests with the keys of `config` from now on, and returns the providers whose key changed. A provider
    /// that `config` lacks or has at another address keeps its key, so that no provider gets the key of another one.
    pub(super) fn renew_keys(&self, config: &Config) -> Result<Vec<&str>, SetupError> {
        let (providers, at_start) = (&config.providers, &self.at_start);
        let anthropic = same_address(at_start.anthropic.as_ref(), providers.anthropic.as_ref());
        let openai = same_address(at_start.openai.as_ref(), providers.openai.as_ref());
        let mut renewed = Vec::new();
        if let (Some(client), Some(provider)) = (&self.anthropic, anthropic)
            && client.renew_key(&provider_settings(provider, config, &self.key_refused))?
        {
            renewed.push(client.route().provider.as_str());
        }
        if let (Some(client), Some(provider)) = (&self.openai, openai)
            && client.renew_key(&provider_settings(provider, config, &self.key_refused))?
        {
            renewed.push(client.route().provider.as_str());
        }
        Ok(renewed)
    }
}

/// The provider as configured `now`, if its address is the one from the start.
fn same_address<'a>(
    at_start: Option<&ProviderConfig>,
    now: Option<&'a ProviderConfig>,
) -> Option<&'a ProviderConfig> {
    let known = at_start?.base_url.url();
    now.filter(|now| now.base_url.url() == known)
}

fn provider_settings(
    provider: &ProviderConfig,
    config: &Config,
    key_refused: &Arc<Notify>,
) -> ProviderSettings {
    let timeouts = &config.providers.timeouts;
    ProviderSettings {
        base_url: provider.base_url.url().clone(),
        key: provider.key.clone(),
        auth_token: provider.auth_token.clone(),
        extra_headers: provider.headers.clone(),
        token_limit: provider.token_limit.map(|limit| match limit {
            TokenLimitField::MaxTokens => TokenLimit::MaxTokens,
            TokenLimitField::MaxCompletionTokens => TokenLimit::MaxCompletionTokens,
        }),
        stream_usage: provider.stream_usage,
        model: provider.model.clone(),
        temperature_milli: config.providers.temperature_milli,
        max_output_tokens: config.providers.max_output_tokens,
        limits: TimeLimits {
            connect: timeouts.connect,
            first_text: timeouts.first_text,
            idle: timeouts.idle,
            text_idle: timeouts.text_idle,
            total: timeouts.total,
        },
        key_refused: Arc::clone(key_refused),
    }
}
