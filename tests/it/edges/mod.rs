//! Edge caches: what is sent to each kind, what receipts say of them, and a real Varnish with the documented VCL.
mod fake_edge;
mod fixture;
mod receipts;
mod requests;
mod switching;
mod through;
mod varnish;
