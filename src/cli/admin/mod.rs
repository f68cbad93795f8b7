//! `admin`: what operators do to a running fleet. One folder or file for each family of commands.
mod cache;
mod challenges;
mod controls;
mod family;
mod setting_value;
mod tips;
mod token;

pub use challenges::fuzzing;
pub(super) use family::{command, run};
