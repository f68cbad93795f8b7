//! Writes tips with a provider of any protocol: the adapter of [`TipWriter`].
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::HeaderMap;
use serde::Serialize;

use super::{
    ProviderSettings, SetupError,
    anthropic::{self, MessageDecoder},
    attempt,
    decoder::Decoder,
    endpoint::Endpoint,
    openai::{self, ChatDecoder},
    request_fields::{Field, HttpRequest, RequestFields},
    thoughts::ThinkingHabit,
    usage_counter::UsageCounter,
};
use crate::domain::{Clock, Prompt, Route, StreamEvent, TipWriter, WriteFailure};

/// The protocol that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderProtocol {
    /// Anthropic's Messages API.
    Anthropic,
    /// `OpenAI`'s chat completions, which many other servers speak.
    OpenAi,
}

/// Writes tips with one model of one provider.
pub struct ProviderWriter {
    protocol: ProviderProtocol,
    route: Route,
    endpoint: Endpoint,
    temperature: Option<f64>,
    fields: RequestFields,
    habit: ThinkingHabit,
}

impl ProviderWriter {
    /// Requests go to the protocol's path below the base URL: `v1/messages` for Anthropic's, and `chat/completions` for
    /// `OpenAI`'s, where most base URLs end in `v1`. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the key cannot be sent, or TLS cannot be set up.
    pub fn new(
        protocol: ProviderProtocol,
        settings: &ProviderSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let (name, path) = match protocol {
            ProviderProtocol::Anthropic => ("anthropic", "/v1/messages"),
            ProviderProtocol::OpenAi => ("openai", "/chat/completions"),
        };
        Ok(Self {
            protocol,
            route: settings.route(name),
            endpoint: Endpoint::new(settings, path, headers(protocol, settings)?, clock)?,
            temperature: settings.temperature(),
            fields: RequestFields::new(settings),
            habit: ThinkingHabit::default(),
        })
    }

    /// From now on requests go out with the key of `settings`; returns whether it is another one.
    ///
    /// # Errors
    ///
    /// [`SetupError::Key`] when it cannot be sent; the key before stays then.
    pub fn renew_key(&self, settings: &ProviderSettings) -> Result<bool, SetupError> {
        Ok(self.endpoint.renew(headers(self.protocol, settings)?))
    }

    /// Sends `body`, which has the optional fields `sent`, and decodes the answer.
    fn send<D: Decoder>(
        &self,
        prompt: &Prompt,
        body: &impl Serialize,
        sent: Vec<Field>,
        decoder: impl FnOnce(UsageCounter, String) -> D,
    ) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        let request = HttpRequest {
            // Text and numbers under fixed names can always be written.
            body: serde_json::to_vec(body).unwrap_or_default(),
            sent,
            fields: self.fields.clone(),
        };
        let counter = UsageCounter::of(prompt, &self.habit);
        let decoder = decoder(counter, self.route.model.clone());
        attempt::write(self.endpoint.clone(), request, decoder)
    }
}

impl TipWriter for ProviderWriter {
    fn route(&self) -> &Route {
        &self.route
    }

    fn write(&self, prompt: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        let mut sent = self.fields.now();
        if self.protocol == ProviderProtocol::Anthropic {
            sent.retain(|field| *field == Field::Temperature);
        }
        let is_sent = sent.contains(&Field::Temperature);
        let temperature = self.temperature.filter(|_| is_sent);
        match self.protocol {
            ProviderProtocol::Anthropic => {
                let body = anthropic::body(&self.route, prompt, temperature);
                self.send(prompt, &body, sent, MessageDecoder::new)
            }
            ProviderProtocol::OpenAi => {
                let body = openai::body(&self.route, prompt, temperature, &sent);
                self.send(prompt, &body, sent, ChatDecoder::new)
            }
        }
    }
}

/// The headers of every request.
fn headers(
    protocol: ProviderProtocol,
    settings: &ProviderSettings,
) -> Result<HeaderMap, SetupError> {
    let mut headers = match protocol {
        ProviderProtocol::Anthropic => anthropic::headers(settings)?,
        ProviderProtocol::OpenAi => openai::headers(settings)?,
    };
    settings.add_headers(&mut headers)?;
    Ok(headers)
}
