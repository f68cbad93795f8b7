//! gRPC in and out: bytes to a request, one call of a service, an answer to
//! bytes. The only room that knows the generated messages and HTTP/2.
mod body;
mod call;
mod catalog;
mod convert;
mod edge;
mod encoder;
mod health;
mod page_token;
mod reply;
mod status;
mod unary;

pub use catalog::CatalogTransport;
pub use edge::{Edge, EdgeSettings};
pub use encoder::ProtoEncoder;
pub use health::Health;
pub use page_token::PageTokens;
