//! Requests of OpenAI's chat completions.
use http::{HeaderMap, header};
use serde::Serialize;

use crate::{
    domain::{Prompt, Route},
    llm::{ProviderSettings, SetupError, request_fields::Field, settings::bearer},
};

/// The body of a request.
#[derive(Serialize)]
pub(in crate::llm) struct ChatRequest<'a> {
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
    messages: [ChatMessage<'a>; 2],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: &'a str,
}

/// Of the fields that some servers refuse, it has those in `fields`.
pub(in crate::llm) fn body<'a>(
    route: &'a Route,
    prompt: &'a Prompt,
    temperature: Option<f64>,
    fields: &[Field],
) -> ChatRequest<'a> {
    let has = |field| fields.contains(&field);
    let limit = Some(route.max_output_tokens);
    let message = |role, content| ChatMessage { role, content };
    ChatRequest {
        model: &route.model,
        max_tokens: limit.filter(|_| has(Field::MaxTokens)),
        max_completion_tokens: limit.filter(|_| has(Field::MaxCompletionTokens)),
        temperature,
        stream: true,
        stream_options: has(Field::StreamOptions).then_some(StreamOptions {
            include_usage: true,
        }),
        messages: [
            message("system", &prompt.system),
            message("user", &prompt.user),
        ],
    }
}

/// The headers of the protocol, with the key.
pub(in crate::llm) fn headers(settings: &ProviderSettings) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &settings.key {
        headers.insert(header::AUTHORIZATION, bearer(key)?);
    }
    Ok(headers)
}
