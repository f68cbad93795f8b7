//! Who comes in: TLS, credentials, roles and listeners.
mod commands;
mod issuers;
pub mod listeners;
mod principals;
mod roles;
pub mod scene;
mod secrets;
mod tls;
