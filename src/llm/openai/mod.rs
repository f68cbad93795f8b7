//! Chat completions as `OpenAI` streams them, and many servers after it
//! (platform.openai.com/docs/api-reference/chat-streaming).
mod decoder;
#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod gateway_tests;
mod request;

pub(super) use decoder::ChatDecoder;
pub(super) use request::{body, headers};
