//! The content policy: what a tip must not contain, and the normal form of its white space.
mod check;
mod domain;
mod phone;

pub(super) use check::{ContentPolicy, PolicyViolation, VERSION, is_blank};
