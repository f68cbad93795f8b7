//! Searches for inputs that the product reads wrongly: whatever parses bytes of strangers has a target here, which says
//! what must hold for any bytes at all.
//!
//! `tests/replay.rs` tries every input of `corpus/`, and changes of them for as long as `FUZZ_SECONDS` says; `make fuzz`
//! searches guided by coverage. To read first: `target`, then any of `targets`.
mod input;
mod memory;
mod search;
mod target;
mod targets;

pub use memory::CountingAllocator;
pub use search::{Find, corpus, search};
pub use target::Target;
pub use targets::{TARGETS, named};

/// Counts what each target takes, so that one that takes too much is found.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
