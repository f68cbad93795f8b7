//! Anthropic's Messages API as streamed events (platform.claude.com/docs/en/build-with-claude/streaming).
mod decoder;
#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod gateway_tests;
mod request;

pub(super) use decoder::MessageDecoder;
pub(super) use request::{body, headers};
