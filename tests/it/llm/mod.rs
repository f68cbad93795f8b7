//! What becomes of whatever a provider may send, seen from the port `TipWriter`.
mod aborts;
mod aimock;
mod answers;
mod capabilities;
pub mod fixture;
mod gateways;
mod litellm;
mod refusals;
mod requests;
mod simulator;
mod slowness;
