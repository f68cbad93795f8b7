//! Throw-away PostgreSQL: one server for all tests, a fresh database for each; servers that replicate.
mod database;
mod logical;
mod server;
mod standby;
mod tls;

pub use database::Database;
pub use logical::{Logical, publisher_and_subscriber};
use server::GUARDED_ROLE;
pub use server::{GUARDED_PASSWORD, Postgres, fresh, own_server, own_server_with, program};

pub use standby::primary_with_standby;
pub use tls::{CERTIFIED_ROLE, own_server_with_tls};
