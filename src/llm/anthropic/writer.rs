//! Sends requests to Anthropic's Messages API.
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::decoder::MessageDecoder;
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

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Writes with a model of Anthropic's.
pub struct AnthropicWriter {
    endpoint: Endpoint,
    route: Route,
    temperature: Option<f64>,
    fields: RequestFields,
    habit: ThinkingHabit,
}

impl AnthropicWriter {
    /// Orders go to `v1/messages` below the base URL. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the key cannot be sent, or TLS cannot be set up.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let headers = headers(settings)?;
        Ok(Self {
            endpoint: Endpoint::new(settings, "/v1/messages", headers, clock)?,
            route: settings.route("anthropic"),
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
        let mut sent = self.fields.now();
        sent.retain(|field| *field == Field::Temperature);
        let temperature = self.temperature.filter(|_| !sent.is_empty());
        let request = MessageRequest {
            model: &self.route.model,
            max_tokens: self.route.max_output_tokens,
            temperature,
            stream: true,
            system: &prompt.system,
            messages: [Message {
                role: "user",
                content: &prompt.user,
            }],
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

impl TipWriter for AnthropicWriter {
    fn route(&self) -> &Route {
        &self.route
    }

    fn write(&self, prompt: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        let counter = UsageCounter::of(prompt, &self.habit);
        let decoder = MessageDecoder::new(counter, self.route.model.clone());
        attempt::write(self.endpoint.clone(), self.request(prompt), decoder)
    }
}

/// What every call of Anthropic's API has.
fn headers(settings: &ProviderSettings) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static("2023-06-01"));
    if let Some(key) = &settings.key {
        headers.insert(KEY, secret(key.expose_secret())?);
    }
    if let Some(token) = &settings.auth_token {
        let bearer = format!("Bearer {}", token.expose_secret());
        headers.insert(header::AUTHORIZATION, secret(&bearer)?);
    }
    settings.add_headers(&mut headers)?;
    Ok(headers)
}

#[derive(Serialize)]
struct MessageRequest<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    system: &'a str,
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}
