//! What callers over HTTP meet.
mod exchange;
mod old_matrix;
mod old_routes;
mod old_service;
