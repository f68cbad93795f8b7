//! Anthropic's Messages API, as streamed events and in batches
//! (platform.claude.com/docs/en/build-with-claude/streaming and …/batch-processing).
mod batch_result;
mod batch_wire;
mod batches;
mod decoder;
#[cfg(test)]
mod decoder_tests;
mod event;
mod stop;
mod writer;

pub use batches::AnthropicBatches;
#[cfg(test)]
pub(super) use decoder::MessageDecoder;
pub use writer::AnthropicWriter;
