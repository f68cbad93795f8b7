//! `verify` for PostgreSQL: checks for everything that could make the catalog wrong. Start with `verifier`, which runs the
//! checks in order.
mod access;
mod rows;
mod schema;
mod triggers;
mod verifier;

pub(in crate::repository) use verifier::verify;
