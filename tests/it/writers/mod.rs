//! Other programs' writers, whatever they do: they wait for nobody and fail for no reason of ours, and all that they commit is told.
pub mod before;
mod flood;
mod killed;
mod migrating;
mod numbering;
mod open;
mod orders;
mod recursion;
mod scene;
mod search_path;
mod sessions;
mod upgrade;
