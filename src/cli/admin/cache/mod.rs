//! `admin cache`: look at the caches of a fleet, empty them with proof, fill them.
mod command;
mod dashboard;
mod invalidate;
mod status;
mod warm;
mod watch;

pub(super) use command::{command, run};
