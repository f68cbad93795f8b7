//! Other programs' writers, whatever they do: they wait for nobody and fail for no reason of ours, and all that they commit is told.
mod crashes;
mod fixtures;
mod flood;
mod lock_order;
mod migrating;
mod numbering;
mod open_transactions;
pub mod previous_release;
mod recursion;
mod search_path;
mod sessions;
mod upgrade;
