//! What the log must not do to the service, and what it must tell.
mod lines;
pub mod outages;
mod unread;
