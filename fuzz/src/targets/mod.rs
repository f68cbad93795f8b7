//! The targets, in the order of their names.
mod access_files;
mod answers;
mod call_heads;
mod certificates;
mod credentials;
mod events;
mod http_requests;
mod imports;
mod names;
mod notifications;
mod redis_values;
mod refusals;
mod requests;
mod table;
mod tip_texts;
mod tokens;

pub use table::{TARGETS, named};
