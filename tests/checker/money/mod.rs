//! Another run: is the daily budget of tips ever exceeded, recorded wrongly, or withheld? `docs/money.md` says what is checked.
mod callers;
mod fault;
mod fleet;
mod harm;
mod judge;
mod ledger;
mod provider;
mod round;

pub use round::{all_caught, check};
