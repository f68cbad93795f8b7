//! Who writes tips, put together from settings that belong together.
use secrecy::SecretString;

use super::{
    ProviderTimeouts, TokenLimitField,
    provider::ProviderUrl,
    reader::{Origin, Reader},
    setting::Setting,
    settings::{
        ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL, AnthropicConfig, ModelConfig,
        OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, OpenaiConfig, TIP_TEMPERATURE,
    },
};

/// Who writes tips. Anthropic is asked first, if it is there; with nobody, static tips are served.
#[derive(Clone, Debug)]
pub struct ProvidersConfig {
    /// Anthropic; there when it has a key or a token.
    pub anthropic: Option<ProviderConfig>,
    /// A server with `OpenAI`'s chat completions; there when it has a base URL.
    pub openai: Option<ProviderConfig>,
    /// 0 to 2 000, in thousandths; 1 000 at most with Anthropic.
    pub temperature_milli: u32,
    /// Where a model is stopped; 16 to 4 096.
    pub max_output_tokens: u32,
    /// How long an attempt may take.
    pub timeouts: ProviderTimeouts,
}

/// One provider.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Where it is.
    pub base_url: ProviderUrl,
    /// What proves who we are; visible ASCII. For Anthropic it or the token is there.
    pub key: Option<SecretString>,
    /// What is sent as a bearer token besides; for Anthropic only.
    pub auth_token: Option<SecretString>,
    /// Further headers of every request, by their names.
    pub headers: Vec<(String, SecretString)>,
    /// The model, as the provider names it.
    pub model: String,
    /// What the limit of tokens is called, with a server like `OpenAI`'s; `None` to find it out.
    pub token_limit: Option<TokenLimitField>,
    /// Whether requests ask such a server for what they cost; `None` to find out whether they may.
    pub stream_usage: Option<bool>,
    /// How often it may be asked, and what it takes for that.
    pub limits: ProviderLimits,
}

/// How often a provider may be asked, by all replicas together, and what it takes for that.
#[derive(Clone, Copy, Debug)]
pub struct ProviderLimits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens read and written in a minute.
    pub tokens_per_minute: Option<u32>,
    /// For a million tokens read, in millionths of a US dollar.
    pub input_price: u64,
    /// For a million tokens written, likewise.
    pub output_price: u64,
}

/// Reads all of it, in the table's order.
pub(super) fn providers(reader: &mut Reader<'_>) -> Option<ProvidersConfig> {
    let anthropic = AnthropicConfig::read(reader);
    let openai = OpenaiConfig::read(reader);
    let model = ModelConfig::read(reader);
    let timeouts = ProviderTimeouts::read(reader);
    for setting in [&ANTHROPIC_API_KEY, &ANTHROPIC_AUTH_TOKEN, &OPENAI_API_KEY] {
        refuse_empty(reader, setting);
    }
    refuse_parts(reader);
    let anthropic = anthropic.map(AnthropicConfig::provider);
    if let (Some(Some(_)), Some(1_001..)) = (&anthropic, model.as_ref().map(|it| it.temperature.0))
    {
        reader.refuse(&TIP_TEMPERATURE, "must be 1 at most with Anthropic");
    }
    let model = model?;
    Some(ProvidersConfig {
        anthropic: anthropic?,
        openai: openai?.provider(),
        temperature_milli: model.temperature.0,
        max_output_tokens: model.max_output_tokens,
        timeouts: timeouts?,
    })
}

impl AnthropicConfig {
    /// There when something proves who we are.
    fn provider(self) -> Option<ProviderConfig> {
        let is_there = self.key.is_some() || self.auth_token.is_some();
        is_there.then_some(ProviderConfig {
            base_url: self.base_url,
            key: self.key,
            auth_token: self.auth_token,
            headers: self.headers,
            model: self.model,
            token_limit: None,
            stream_usage: None,
            limits: ProviderLimits {
                requests_per_minute: self.requests_per_minute,
                tokens_per_minute: self.tokens_per_minute,
                input_price: self.input_price,
                output_price: self.output_price,
            },
        })
    }
}

impl OpenaiConfig {
    /// There when it has an address.
    fn provider(self) -> Option<ProviderConfig> {
        Some(ProviderConfig {
            base_url: self.base_url?,
            key: self.key,
            auth_token: None,
            headers: self.headers,
            model: self.model?,
            token_limit: self.token_limit,
            stream_usage: self.stream_usage,
            limits: ProviderLimits {
                requests_per_minute: self.requests_per_minute,
                tokens_per_minute: self.tokens_per_minute,
                input_price: self.input_price,
                output_price: self.output_price,
            },
        })
    }
}

/// A key that is given must be one: an empty one was meant to be something.
fn refuse_empty(reader: &mut Reader<'_>, setting: &Setting) {
    let key = reader.value::<Option<SecretString>>(setting);
    if matches!(key, Some(None)) && reader.origin(setting) != Origin::Default {
        reader.refuse(setting, "is empty; leave it out to do without");
    }
}

/// A server needs an address and a model, and its key is of no use without.
fn refuse_parts(reader: &mut Reader<'_>) {
    let url = reader.value::<Option<ProviderUrl>>(&OPENAI_BASE_URL);
    let model = reader.value::<Option<String>>(&OPENAI_MODEL);
    let key = reader.value::<Option<SecretString>>(&OPENAI_API_KEY);
    let (Some(url), Some(model), Some(key)) = (url, model, key) else {
        return;
    };
    let (setting, missing) = match (url, key, model) {
        (Some(_), _, Some(_)) | (None, None, None) => return,
        (Some(_), _, None) => (&OPENAI_BASE_URL, &OPENAI_MODEL),
        (None, _, Some(_)) => (&OPENAI_MODEL, &OPENAI_BASE_URL),
        (None, Some(_), None) => (&OPENAI_API_KEY, &OPENAI_BASE_URL),
    };
    reader.refuse(setting, format!("is of no use without {}", missing.env));
}

/// What works, and was probably not meant so.
pub(super) fn warnings(config: &ProvidersConfig) -> impl Iterator<Item = String> {
    exposed(config).chain(misplaced(config))
}

/// Addresses that are probably not those of the protocol.
fn misplaced(config: &ProvidersConfig) -> impl Iterator<Item = String> {
    let lacks = |url: &ProviderUrl| url.is_at("api.openai.com") && !url.ends_in("/v1");
    let openai = config.openai.as_ref();
    let openai = openai.filter(|openai| lacks(&openai.base_url)).map(|_| {
        let name = OPENAI_BASE_URL.env;
        format!("{name} does not end in /v1: OpenAI's is https://api.openai.com/v1")
    });
    let anthropic = config.anthropic.as_ref();
    let anthropic = anthropic.filter(|anthropic| anthropic.base_url.ends_in("/v1"));
    let anthropic = anthropic.map(|_| {
        let name = ANTHROPIC_BASE_URL.env;
        format!("{name} ends in /v1: requests go to /v1/v1/messages there")
    });
    openai.into_iter().chain(anthropic)
}

/// Keys that others could read on their way.
fn exposed(config: &ProvidersConfig) -> impl Iterator<Item = String> {
    let providers = [
        (&ANTHROPIC_BASE_URL, &config.anthropic),
        (&OPENAI_BASE_URL, &config.openai),
    ];
    providers.into_iter().filter_map(|(setting, provider)| {
        let provider = provider.as_ref()?;
        let is_secret =
            provider.key.is_some() || provider.auth_token.is_some() || !provider.headers.is_empty();
        let is_exposed = is_secret && provider.base_url.is_open_to_readers();
        is_exposed.then(|| {
            format!(
                "{} is plain http: the key can be read on its way",
                setting.env
            )
        })
    })
}

#[cfg(test)]
#[path = "providers_tests.rs"]
mod tests;
