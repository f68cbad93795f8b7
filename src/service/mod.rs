//! The use cases, one method for each RPC, in the domain's words.
mod catalog;

pub use catalog::CatalogService;
