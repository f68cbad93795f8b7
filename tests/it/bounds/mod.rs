//! What callers hold, whatever they do, is bounded, and takes nothing from others.
mod bodies;
mod connections;
mod shedding;
mod waiting;
