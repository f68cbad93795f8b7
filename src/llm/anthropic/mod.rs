//! Anthropic's Messages API, as streamed events
//! (platform.claude.com/docs/en/build-with-claude/streaming).
mod decoder;
#[cfg(test)]
mod decoder_tests;
mod event;
mod writer;

#[cfg(test)]
pub(super) use decoder::MessageDecoder;
pub use writer::AnthropicWriter;
