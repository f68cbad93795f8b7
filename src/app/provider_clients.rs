//! The clients of the configured LLM providers, and the reload of their API keys.
use std::sync::Arc;

use tokio::sync::Notify;

use super::{clock::SystemClock, error::Error};
use crate::{
    config::{Config, ProviderConfig, TokenLimitField},
    domain::{Clock, TipWriter},
    llm::{ProviderProtocol, ProviderSettings, ProviderWriter, SetupError, TimeLimits, TokenLimit},
};

/// The clients of the configured providers.
pub(super) struct ProviderClients {
    /// In the order in which they are tried.
    pub(super) list: Vec<ConfiguredClient>,
    /// Notified whenever a provider refuses its key.
    pub(super) key_refused: Arc<Notify>,
}

/// The client of one provider.
pub(super) struct ConfiguredClient {
    pub(super) protocol: ProviderProtocol,
    pub(super) client: Arc<ProviderWriter>,
    /// The provider as configured at the start; its address never changes.
    pub(super) at_start: ProviderConfig,
}

impl ProviderClients {
    /// Builds the clients without connecting them.
    pub(super) fn of(config: &Config) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key_refused = Arc::new(Notify::new());
        let mut list = Vec::new();
        for protocol in [ProviderProtocol::Anthropic, ProviderProtocol::OpenAi] {
            let Some(provider) = provider_of(config, protocol) else {
                continue;
            };
            let settings = provider_settings(provider, config, &key_refused);
            let client = ProviderWriter::new(protocol, &settings, Arc::clone(&clock));
            let name = match protocol {
                ProviderProtocol::Anthropic => "Anthropic".to_owned(),
                ProviderProtocol::OpenAi => provider.base_url.to_string(),
            };
            let client = client.map_err(|error| format!("{name} cannot write tips: {error}"))?;
            list.push(ConfiguredClient {
                protocol,
                client: Arc::new(client),
                at_start: provider.clone(),
            });
        }
        Ok(Self { list, key_refused })
    }

    /// Sends requests with the keys of `config` from now on, and returns the providers whose key changed. A provider
    /// that `config` lacks or has at another address keeps its key, so that no provider gets the key of another one.
    pub(super) fn renew_keys(&self, config: &Config) -> Result<Vec<&str>, SetupError> {
        let mut renewed = Vec::new();
        for one in &self.list {
            let known = one.at_start.base_url.url();
            if let Some(now) = provider_of(config, one.protocol)
                && now.base_url.url() == known
                && one
                    .client
                    .renew_key(&provider_settings(now, config, &self.key_refused))?
            {
                renewed.push(one.client.route().provider.as_str());
            }
        }
        Ok(renewed)
    }
}

fn provider_of(config: &Config, protocol: ProviderProtocol) -> Option<&ProviderConfig> {
    match protocol {
        ProviderProtocol::Anthropic => config.providers.anthropic.as_ref(),
        ProviderProtocol::OpenAi => config.providers.openai.as_ref(),
    }
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
