//! The servers, proxies and waits that tests are made of.
//!
//! Every server is on a free port of its own and dies with the test process.
pub mod aimock;
pub mod authority;
pub mod fleet;
pub mod issuer;
pub mod litellm;
pub mod llmock;
pub mod nginx;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod program;
pub mod proxy;
pub mod redis;
pub mod refusal;
pub mod replica;
pub mod scripted;
pub mod tls;
pub mod varnish;
pub mod wait;
pub mod wire;
