//! Tips as they are written: one generation, many readers, whatever fails.
mod alone;
mod faults;
mod fleet;
mod guards;
mod lost;
mod parts;
mod reading;
mod replica;
mod writer;
