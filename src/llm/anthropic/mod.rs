//! Anthropic's Messages API as streamed events (platform.claude.com/docs/en/build-with-claude/streaming).
mod counts;
mod decoder;
#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod gateway_tests;
mod writer;

#[cfg(test)]
pub(super) use decoder::MessageDecoder;
pub use writer::AnthropicWriter;
