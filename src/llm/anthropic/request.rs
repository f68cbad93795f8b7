//! Requests of Anthropic's Messages API.
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    domain::{Prompt, Route},
    llm::{
        ProviderSettings, SetupError,
        settings::{bearer, secret},
    },
};

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The body of a request.
#[derive(Serialize)]
pub(in crate::llm) struct AnthropicRequest<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    system: &'a str,
    messages: [AnthropicMessage<'a>; 1],
}

#[derive(Serialize)]
struct AnthropicMessage<'a> {
    role: &'static str,
    content: &'a str,
}

pub(in crate::llm) fn body<'a>(
    route: &'a Route,
    prompt: &'a Prompt,
    temperature: Option<f64>,
) -> AnthropicRequest<'a> {
    AnthropicRequest {
        model: &route.model,
        max_tokens: route.max_output_tokens,
        temperature,
        stream: true,
        system: &prompt.system,
        messages: [AnthropicMessage {
            role: "user",
            content: &prompt.user,
        }],
    }
}

/// The headers of the protocol, with the key.
pub(in crate::llm) fn headers(settings: &ProviderSettings) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static("2023-06-01"));
    if let Some(key) = &settings.key {
        headers.insert(KEY, secret(key.expose_secret())?);
    }
    if let Some(token) = &settings.auth_token {
        headers.insert(header::AUTHORIZATION, bearer(token)?);
    }
    Ok(headers)
}
