//! The OpenAPI 3.1 document of all that is served over HTTP: made from the contract, its annotations and its comments,
//! so that it cannot differ from what is served. The old routes, which the contract does not know, are added by hand.
mod comments;
mod demands;
mod document;
mod old_routes;
mod operation;
mod parameters;
mod patterns;
mod problems;
mod rules;
mod schemas;
#[cfg(test)]
mod tests;

pub(super) use document::document;
