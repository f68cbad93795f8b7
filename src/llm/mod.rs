//! The providers that write tips, and the prompts they are given: adapters of
//! [`TipWriter`](crate::domain::TipWriter) and [`PromptBook`](crate::domain::PromptBook).
//!
//! Servers differ in the fields that they take (`request_fields`); what one refuses by name is left out of the next request.
//! One call of a writer is one HTTP request: `tips` decides about retries.
//! An answer is a tip only after the protocol's own end. A provider is not trusted: every
//! wait has a limit, every size a cap, no redirect is followed, and nothing that it says gets
//! into a log as it is.
mod anthropic;
mod attempt;
#[cfg(test)]
mod attempt_tests;
mod decoder;
mod endpoint;
#[doc(hidden)]
pub mod fuzzing;
mod json;
#[cfg(test)]
mod odd_field_tests;
mod openai;
mod prompt;
mod prompt_template;
mod protocol_error;
mod provider_error;
mod refusal;
mod request_fields;
mod retry_after;
mod settings;
mod sse;
mod surrogates;
mod thoughts;
mod timing;
mod untrusted;
mod usage_counter;
mod writer;

pub use prompt::{BadPrompt, BundledPrompts};
pub use settings::{ProviderSettings, SetupError, TokenLimit};
pub use timing::TimeLimits;
pub use writer::{ProviderProtocol, ProviderWriter};
