//! gRPC in and out: bytes to a request, one call of a service, an answer to
//! bytes. The only room that knows the generated messages and HTTP/2.
mod admin;
mod body;
mod bulk;
mod cache_status;
mod call;
mod caller;
mod catalog;
mod convert;
mod edge;
mod edit;
mod edit_messages;
mod encoder;
mod fields;
mod health;
mod page_token;
mod reply;
mod resume_token;
mod revision_token;
mod rpc;
mod status;
mod stream;
mod tip_events;
mod tips;
mod tips_admin;
mod unary;
mod upload;

pub use admin::CacheAdminTransport;
pub use cache_status::encode_status;
pub use catalog::CatalogTransport;
pub use edge::{Edge, EdgeSettings};
pub use edit::EditTransport;
pub use encoder::ProtoEncoder;
pub use health::Health;
pub use page_token::PageTokens;
pub use tips::TipsTransport;
pub use tips_admin::TipsAdminTransport;
