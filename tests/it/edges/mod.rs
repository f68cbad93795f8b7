//! Edge caches: what is sent to each kind, when, and what receipts say of them.
mod fake_edge;
mod fixture;
mod receipts;
mod requests;
mod switching;
