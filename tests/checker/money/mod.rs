//! Another run: is money that tips cost ever overspent, lost count of, or withheld? `docs/money.md` says what is checked.
mod books;
mod callers;
mod fault;
mod fleet;
mod harm;
mod judge;
mod provider;
mod round;

pub use round::{all_caught, check};
