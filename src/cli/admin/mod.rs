//! `admin`: what operators do, one file for each family of commands.
mod command;
mod tips;
mod tips_view;

pub(super) use command::{command, run};
