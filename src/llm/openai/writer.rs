use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::decoder::ChatDecoder;
use crate::{
    domain::{Clock, Prompt, Route, TipWriter, WriteFailure, Writing},
    llm::{
        ProviderSettings, SetupError, attempt, endpoint::Endpoint, tally::Tally,
        thoughts::ThinkingHabit,
    },
};

/// The one host that refuses `max_tokens` with newer models; most others know no other name.
const OPENAI: &str = "api.openai.com";

/// Writes with any server that speaks `OpenAI`'s chat completions.
pub struct OpenAiWriter {
    endpoint: Endpoint,
    route: Route,
    temperature: Option<f64>,
    is_openai: bool,
    habit: ThinkingHabit,
}

impl OpenAiWriter {
    /// Orders go to `chat/completions` below the base URL, which for most servers ends in `v1`.
    /// Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the key cannot be sent, or TLS cannot be set up.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let headers = headers(settings)?;
        Ok(Self {
            endpoint: Endpoint::new(settings, "/chat/completions", headers, clock)?,
            route: settings.route("openai"),
            temperature: settings.temperature(),
            is_openai: settings.base_url.host_str() == Some(OPENAI),
            habit: ThinkingHabit::default(),
        })
    }

    /// From now on orders go out with the key of `settings`; tells whether it is another one.
    ///
    /// # Errors
    ///
    /// [`SetupError::Key`] when it cannot be sent; the key before stays then.
    pub fn renew_key(&self, settings: &ProviderSettings) -> Result<bool, SetupError> {
        Ok(self.endpoint.renew(headers(settings)?))
    }

    fn order(&self, prompt: &Prompt) -> Vec<u8> {
        let limit = Some(self.route.max_output_tokens);
        let order = Order {
            model: &self.route.model,
            max_tokens: limit.filter(|_| !self.is_openai),
            max_completion_tokens: limit.filter(|_| self.is_openai),
            temperature: self.temperature,
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            messages: [
                Turn {
                    role: "system",
                    content: &prompt.system,
                },
                Turn {
                    role: "user",
                    content: &prompt.user,
                },
            ],
        };
        // Text and numbers under fixed names can always be written.
        serde_json::to_vec(&order).unwrap_or_default()
    }
}

/// What every order has.
fn headers(settings: &ProviderSettings) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &settings.key {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()));
        let mut bearer = bearer.map_err(|_| SetupError::Key)?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(headers)
}

impl TipWriter for OpenAiWriter {
    fn route(&self) -> &Route {
        &self.route
    }

    fn write(&self, prompt: &Prompt) -> BoxStream<'static, Result<Writing, WriteFailure>> {
        let tally = Tally::of(prompt, &self.habit);
        let decoder = ChatDecoder::new(tally, self.route.model.clone());
        attempt::write(self.endpoint.clone(), self.order(prompt), decoder)
    }
}

#[derive(Serialize)]
struct Order<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    stream_options: StreamOptions,
    messages: [Turn<'a>; 2],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: &'a str,
}
