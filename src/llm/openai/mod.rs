//! Chat completions as `OpenAI` streams them, and many servers after it
//! (platform.openai.com/docs/api-reference/chat-streaming).
mod chunk;
mod decoder;
#[cfg(test)]
mod decoder_tests;
mod writer;

pub use writer::OpenAiWriter;
