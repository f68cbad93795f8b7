//! `admin`: what operators do to a running fleet. One folder or file for each family of commands.
mod cache;
mod challenges;
mod control_view;
mod family;
mod flags;
mod settings;
mod tips;
mod tips_resume;
mod tips_view;

pub(super) use family::{command, run};
