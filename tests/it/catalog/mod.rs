//! What callers of one replica meet, through a real client or on the wire.
mod bad_input;
mod conditional;
mod deadlines;
mod freshness;
mod get_and_batch;
mod health;
mod health_protocol;
mod lists;
mod odd_rows;
mod pages;
mod reflection;
mod request_ids;
mod shutdown;
mod versions;
mod wire;
