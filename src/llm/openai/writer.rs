//! Sends requests to a server with OpenAI's chat completions.
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderMap, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::decoder::ChatDecoder;
use crate::{
    domain::{Clock, Prompt, Route, StreamEvent, TipWriter, WriteFailure},
    llm::{
        ProviderSettings, SetupError, attempt,
        endpoint::Endpoint,
        request_fields::{Field, HttpRequest, RequestFields},
        settings::secret,
        thoughts::ThinkingHabit,
        usage_counter::UsageCounter,
    },
};

/// Writes with any server that speaks `OpenAI`'s chat completions.
pub struct OpenAiWriter {
    endpoint: Endpoint,
    route: Route,
    temperature: Option<f64>,
    fields: RequestFields,
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
            fields: RequestFields::new(settings),
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

    fn request(&self, prompt: &Prompt) -> HttpRequest {
        let sent = self.fields.now();
        let has = |field| sent.contains(&field);
        let limit = Some(self.route.max_output_tokens);
        let request = MessageRequest {
            model: &self.route.model,
            max_tokens: limit.filter(|_| has(Field::MaxTokens)),
            max_completion_tokens: limit.filter(|_| has(Field::MaxCompletionTokens)),
            temperature: self.temperature.filter(|_| has(Field::Temperature)),
            stream: true,
            stream_options: has(Field::StreamOptions).then_some(StreamOptions {
                include_usage: true,
            }),
            messages: [
                Message {
                    role: "system",
                    content: &prompt.system,
                },
                Message {
                    role: "user",
                    content: &prompt.user,
                },
            ],
        };
        // Text and numbers under fixed names can always be written.
        let body = serde_json::to_vec(&request).unwrap_or_default();
        HttpRequest {
            body,
            sent,
            fields: self.fields.clone(),
        }
    }
}

/// What every order has.
fn headers(settings: &ProviderSettings) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &settings.key {
        let bearer = format!("Bearer {}", key.expose_secret());
        headers.insert(header::AUTHORIZATION, secret(&bearer)?);
    }
    settings.add_headers(&mut headers)?;
    Ok(headers)
}

impl TipWriter for OpenAiWriter {
    fn route(&self) -> &Route {
        &self.route
    }

    fn write(&self, prompt: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        let counter = UsageCounter::of(prompt, &self.habit);
        let decoder = ChatDecoder::new(counter, self.route.model.clone());
        attempt::write(self.endpoint.clone(), self.request(prompt), decoder)
    }
}

#[derive(Serialize)]
struct MessageRequest<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}
