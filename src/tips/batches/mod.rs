//! Tips that are ordered together: noted, handed in, found again, taken over.
mod custom_id;
mod desk;
mod hand_in;
mod import;
mod note;
mod repeat;
mod result;

pub use desk::{BatchDesk, BatchParts};
