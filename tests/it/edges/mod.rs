//! Edge caches: what is sent to each kind, and what is made of its answers.
mod fixture;
mod requests;
