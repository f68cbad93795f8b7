//! Anthropic's Messages API, as streamed events and in batches
//! (platform.claude.com/docs/en/build-with-claude/streaming and …/batch-processing).
mod batch_result;
mod batch_wire;
mod batches;
mod counts;
mod decoder;
#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod gateway_tests;
mod writer;

pub use batches::AnthropicBatches;
#[cfg(test)]
pub(super) use decoder::MessageDecoder;
pub use writer::AnthropicWriter;
