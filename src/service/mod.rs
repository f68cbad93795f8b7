//! The use cases, in the domain's words.
mod catalog;
/// Loading challenges into a catalog that lacks them.
pub mod seed;

pub use catalog::CatalogService;
