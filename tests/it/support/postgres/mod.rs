//! Throw-away PostgreSQL: one server for all tests, a fresh database for each.
mod database;
mod server;

pub use database::Database;
use server::GUARDED_ROLE;
pub use server::{GUARDED_PASSWORD, Postgres, fresh, own_server};
