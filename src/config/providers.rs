use std::time::Duration;

use secrecy::SecretString;

use super::{
    entry::Origin,
    provider::{self, ProviderUrl, TokenLimitField},
    reader::{Reader, optional},
    setting::Setting,
    table,
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
    /// Headers that every order has besides, by their names.
    pub headers: Vec<(String, SecretString)>,
    /// The model, as the provider names it.
    pub model: String,
    /// What the limit of tokens is called, with a server like `OpenAI`'s; `None` to find it out.
    pub token_limit: Option<TokenLimitField>,
    /// Whether orders ask such a server for what they cost; `None` to find out whether they may.
    pub stream_usage: Option<bool>,
    /// How often it may be asked, and what it takes for that.
    pub limits: ProviderLimits,
}

/// How often a provider may be asked, by all replicas together, and what it takes for that.
#[derive(Clone, Copy, Debug)]
pub struct ProviderLimits {
    /// Orders in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens read and written in a minute.
    pub tokens_per_minute: Option<u32>,
    /// For a million tokens read, in millionths of a US dollar.
    pub input_price: u64,
    /// For a million tokens written, likewise.
    pub output_price: u64,
}

/// How long an attempt may take; each up to a minute.
#[derive(Clone, Copy, Debug)]
pub struct ProviderTimeouts {
    /// To connect.
    pub connect: Duration,
    /// From the order to the first text.
    pub first_text: Duration,
    /// Between any two reads of the answer.
    pub idle: Duration,
    /// Between two pieces of text.
    pub text_idle: Duration,
    /// In all.
    pub total: Duration,
}

/// A problem was noted: there is no value to go on with.
struct Noted;

/// Reads all of it, in the table's order.
pub(super) fn providers(reader: &mut Reader<'_>) -> Option<ProvidersConfig> {
    let anthropic = anthropic(reader);
    let openai = openai(reader);
    let setting = &table::TIP_TEMPERATURE;
    let parse = provider::thousandths;
    let temperature_milli = reader.read(setting, setting.default, parse, |milli| {
        provider::show_thousandths(*milli)
    });
    let max_output_tokens = reader.number(&table::TIP_MAX_TOKENS);
    let timeouts = timeouts(reader);
    if let (Ok(Some(_)), Some(1_001..)) = (&anthropic, temperature_milli) {
        reader.refuse(setting, "must be 1 at most with Anthropic".to_owned());
    }
    Some(ProvidersConfig {
        anthropic: anthropic.ok()?,
        openai: openai.ok()?,
        temperature_milli: temperature_milli?,
        max_output_tokens: max_output_tokens?,
        timeouts: timeouts?,
    })
}

fn anthropic(reader: &mut Reader<'_>) -> Result<Option<ProviderConfig>, Noted> {
    let key = key(reader, &table::ANTHROPIC_API_KEY);
    let auth_token = self::key(reader, &table::ANTHROPIC_AUTH_TOKEN);
    let headers = headers(reader, &table::ANTHROPIC_HEADERS);
    let setting = &table::ANTHROPIC_BASE_URL;
    let parse = |text: &str| ProviderUrl::parse_before(text, "/v1/messages");
    let base_url = reader.read(setting, setting.default, parse, ToString::to_string);
    let setting = &table::ANTHROPIC_MODEL;
    let model = reader.read(setting, setting.default, provider::model, Clone::clone);
    let limits = limits(reader, &ANTHROPIC_LIMITS);
    let (key, base_url, model) = (key?, base_url.ok_or(Noted)?, model.ok_or(Noted)?);
    let (limits, auth_token) = (limits.ok_or(Noted)?, auth_token?);
    let headers = headers.ok_or(Noted)?;
    let is_there = key.is_some() || auth_token.is_some();
    Ok(is_there.then_some(ProviderConfig {
        base_url,
        key,
        auth_token,
        headers,
        model,
        token_limit: None,
        stream_usage: None,
        limits,
    }))
}

fn openai(reader: &mut Reader<'_>) -> Result<Option<ProviderConfig>, Noted> {
    let parse = optional(|text: &str| ProviderUrl::parse_before(text, "/chat/completions"));
    let base_url = reader.read(&table::OPENAI_BASE_URL, "", parse, |url| {
        url.as_ref().map(ToString::to_string).unwrap_or_default()
    });
    let key = key(reader, &table::OPENAI_API_KEY);
    let headers = headers(reader, &table::OPENAI_HEADERS);
    let parse = optional(provider::model);
    let model = reader.read(&table::OPENAI_MODEL, "", parse, |model| {
        model.clone().unwrap_or_default()
    });
    let setting = &table::OPENAI_TOKEN_LIMIT_FIELD;
    let parse = provider::token_limit;
    let token_limit = reader.read(setting, setting.default, parse, |limit| {
        provider::show_token_limit(*limit)
    });
    let setting = &table::OPENAI_STREAM_USAGE;
    let parse = provider::stream_usage;
    let stream_usage = reader.read(setting, setting.default, parse, |usage| {
        provider::show_stream_usage(*usage)
    });
    let limits = limits(reader, &OPENAI_LIMITS);
    let (setting, missing) = match (base_url.ok_or(Noted)?, key?, model.ok_or(Noted)?) {
        (Some(base_url), key, Some(model)) => {
            return Ok(Some(ProviderConfig {
                base_url,
                key,
                auth_token: None,
                headers: headers.ok_or(Noted)?,
                model,
                token_limit: token_limit.ok_or(Noted)?,
                stream_usage: stream_usage.ok_or(Noted)?,
                limits: limits.ok_or(Noted)?,
            }));
        }
        (None, None, None) => return Ok(None),
        (Some(_), _, None) => (&table::OPENAI_BASE_URL, &table::OPENAI_MODEL),
        (None, _, Some(_)) => (&table::OPENAI_MODEL, &table::OPENAI_BASE_URL),
        (None, Some(_), None) => (&table::OPENAI_API_KEY, &table::OPENAI_BASE_URL),
    };
    reader.refuse(setting, format!("is of no use without {}", missing.env));
    Err(Noted)
}

/// Requests, tokens, and both prices.
type LimitSettings = [&'static Setting; 4];

static ANTHROPIC_LIMITS: LimitSettings = [
    &table::ANTHROPIC_REQUESTS_PER_MINUTE,
    &table::ANTHROPIC_TOKENS_PER_MINUTE,
    &table::ANTHROPIC_INPUT_PRICE,
    &table::ANTHROPIC_OUTPUT_PRICE,
];

static OPENAI_LIMITS: LimitSettings = [
    &table::OPENAI_REQUESTS_PER_MINUTE,
    &table::OPENAI_TOKENS_PER_MINUTE,
    &table::OPENAI_INPUT_PRICE,
    &table::OPENAI_OUTPUT_PRICE,
];

fn limits(reader: &mut Reader<'_>, settings: &LimitSettings) -> Option<ProviderLimits> {
    let [requests, tokens, input, output] = *settings;
    let requests_per_minute = reader.unless_zero(requests);
    let tokens_per_minute = reader.unless_zero(tokens);
    let (input_price, output_price) = (reader.number(input), reader.number(output));
    Some(ProviderLimits {
        requests_per_minute: requests_per_minute?,
        tokens_per_minute: tokens_per_minute?,
        input_price: input_price?,
        output_price: output_price?,
    })
}

/// A key that is given must be one: an empty one was meant to be something.
fn key(reader: &mut Reader<'_>, setting: &'static Setting) -> Result<Option<SecretString>, Noted> {
    let shown = |key: &Option<_>| key.as_ref().map_or("", |_| "***").to_owned();
    let key = reader.read(setting, "", optional(provider::key), shown);
    let key = key.ok_or(Noted)?;
    if key.is_none() && reader.origin(setting) != Origin::Default {
        reader.refuse(setting, "is empty; leave it out to do without".to_owned());
        return Err(Noted);
    }
    Ok(key)
}

fn headers(
    reader: &mut Reader<'_>,
    setting: &'static Setting,
) -> Option<Vec<(String, SecretString)>> {
    reader.read(setting, "", provider::headers, |headers| {
        provider::show_headers(headers)
    })
}

fn timeouts(reader: &mut Reader<'_>) -> Option<ProviderTimeouts> {
    let connect = reader.duration(&table::TIP_CONNECT_TIMEOUT);
    let first_text = reader.duration(&table::TIP_FIRST_TEXT_TIMEOUT);
    let idle = reader.duration(&table::TIP_IDLE_TIMEOUT);
    let text_idle = reader.duration(&table::TIP_TEXT_IDLE_TIMEOUT);
    let total = reader.duration(&table::TIP_TIMEOUT);
    Some(ProviderTimeouts {
        connect: connect?,
        first_text: first_text?,
        idle: idle?,
        text_idle: text_idle?,
        total: total?,
    })
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
        let name = table::OPENAI_BASE_URL.env;
        format!("{name} does not end in /v1: OpenAI's is https://api.openai.com/v1")
    });
    let anthropic = config.anthropic.as_ref();
    let anthropic = anthropic.filter(|anthropic| anthropic.base_url.ends_in("/v1"));
    let anthropic = anthropic.map(|_| {
        let name = table::ANTHROPIC_BASE_URL.env;
        format!("{name} ends in /v1: orders go to /v1/v1/messages there")
    });
    openai.into_iter().chain(anthropic)
}

/// Keys that others could read on their way.
fn exposed(config: &ProvidersConfig) -> impl Iterator<Item = String> {
    let providers = [
        (&table::ANTHROPIC_BASE_URL, &config.anthropic),
        (&table::OPENAI_BASE_URL, &config.openai),
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
