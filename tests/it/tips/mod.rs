//! Tips as they are written: one generation, many readers, whatever fails.
mod alone;
mod bad_input;
mod batches;
mod everywhere;
mod faults;
mod fleet;
mod guards;
pub mod hearing;
mod limits;
mod losses;
mod lost;
mod parts;
pub mod provider;
mod reading;
mod replica;
mod simulator;
mod streams;
mod writer;
