//! `admin` and `man`, as people and scripts meet them.
mod confirming;
mod exporting;
mod first_screen;
mod formats;
mod invalidate;
mod man;
mod pipes;
mod recorded;
mod recording;
mod schema;
mod short_ids;
mod silent_servers;
mod status;
pub mod terminal;
mod tls;
mod token;
mod tour;
mod warm;
