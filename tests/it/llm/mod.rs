//! What becomes of whatever a provider may send, seen from the port `TipWriter`.
mod aborts;
mod answers;
mod batches;
mod capabilities;
pub mod fixture;
mod gateways;
mod orders;
mod refusals;
mod simulator;
mod slowness;
