//! Looks for everything that could make the catalog wrong.
mod access;
mod controls;
mod reads;
mod replication;
mod rows;
mod run;
mod schema;
mod triggers;

pub(in crate::repository) use run::verify;
