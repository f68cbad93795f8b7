//! What a tip must not hold, and the one shape that its white space has.
mod check;
mod domain;
mod phone;

pub(super) use check::{ContentPolicy, PolicyViolation, VERSION, is_blank};
