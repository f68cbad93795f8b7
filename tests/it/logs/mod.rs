//! What the log must not do to the service, and what it must tell.
mod outages;
mod unread;
