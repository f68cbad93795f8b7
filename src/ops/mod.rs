//! Pages for operators, over plain HTTP on a listener of their own: metrics for Prometheus, probes
//! for those that speak no gRPC, and what it was started with. Knows no service: what it shows is handed in.
mod listen;
mod pages;

pub use listen::serve;
pub use pages::{Check, Pages};
