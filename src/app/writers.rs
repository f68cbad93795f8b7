//! Those who write tips, and the keys that they send.
use std::sync::Arc;

use tokio::sync::Notify;

use super::{clock::SystemClock, view::Error};
use crate::{
    config::{Config, ProviderConfig, ProvidersConfig, TokenLimitField},
    domain::{Clock, TipWriter},
    llm::{AnthropicWriter, OpenAiWriter, ProviderSettings, SetupError, TimeLimits, TokenLimit},
};

/// The writers of the providers that there are settings for.
pub(super) struct Writers {
    pub(super) anthropic: Option<Arc<AnthropicWriter>>,
    pub(super) openai: Option<Arc<OpenAiWriter>>,
    /// Where orders go, for as long as the server runs.
    at_start: ProvidersConfig,
    /// Told each time that one of them refuses its key.
    pub(super) denied: Arc<Notify>,
}

impl Writers {
    /// Nothing is connected yet.
    pub(super) fn of(config: &Config) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let denied = Arc::new(Notify::new());
        let anthropic = config.providers.anthropic.as_ref().map(|provider| {
            let settings = provider_settings(provider, config, &denied);
            let made = AnthropicWriter::new(&settings, Arc::clone(&clock)).map(Arc::new);
            made.map_err(|error| format!("Anthropic cannot write tips: {error}"))
        });
        let openai = config.providers.openai.as_ref().map(|provider| {
            let settings = provider_settings(provider, config, &denied);
            let made = OpenAiWriter::new(&settings, Arc::clone(&clock)).map(Arc::new);
            made.map_err(|error| format!("{} cannot write tips: {error}", provider.base_url))
        });
        Ok(Self {
            anthropic: anthropic.transpose()?,
            openai: openai.transpose()?,
            at_start: config.providers.clone(),
            denied,
        })
    }

    /// From now on orders go out with the keys of `config`. A provider that has no settings there, or lies at another
    /// address, keeps the key that it has: nobody gets a key that is another's. Names those with another key than before.
    pub(super) fn renew_keys(&self, config: &Config) -> Result<Vec<&str>, SetupError> {
        let (providers, at_start) = (&config.providers, &self.at_start);
        let anthropic = same_place(at_start.anthropic.as_ref(), providers.anthropic.as_ref());
        let openai = same_place(at_start.openai.as_ref(), providers.openai.as_ref());
        let mut renewed = Vec::new();
        if let (Some(writer), Some(provider)) = (&self.anthropic, anthropic) {
            if writer.renew_key(&provider_settings(provider, config, &self.denied))? {
                renewed.push(writer.route().provider.as_str());
            }
        }
        if let (Some(writer), Some(provider)) = (&self.openai, openai)
            && writer.renew_key(&provider_settings(provider, config, &self.denied))?
        {
            renewed.push(writer.route().provider.as_str());
        }
        Ok(renewed)
    }
}

/// The provider as it is `now`, where its orders go to the same address as at the start.
fn same_place<'a>(
    at_start: Option<&ProviderConfig>,
    now: Option<&'a ProviderConfig>,
) -> Option<&'a ProviderConfig> {
    let known = at_start?.base_url.url();
    now.filter(|now| now.base_url.url() == known)
}

fn provider_settings(
    provider: &ProviderConfig,
    config: &Config,
    denied: &Arc<Notify>,
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
        denied: Arc::clone(denied),
    }
}
