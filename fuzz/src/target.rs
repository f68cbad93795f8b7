//! What is searched: one reader of bytes, and what must hold for it.
use crate::memory;

/// One reader of bytes that strangers send.
#[derive(Debug)]
pub struct Target {
    /// Names its folder in `corpus/`.
    pub name: &'static str,
    /// What inputs are made of, for a search that is not guided.
    pub words: &'static [&'static str],
    /// No input may make it hold more memory, in bytes.
    pub memory_bytes: usize,
    /// Panics when something does not hold that must.
    pub check: fn(&[u8]),
}

impl Target {
    /// Tries one input.
    ///
    /// # Panics
    ///
    /// If something does not hold that must, or it takes too much memory.
    pub fn run(&self, data: &[u8]) {
        let taken = memory::most_of(|| (self.check)(data));
        assert!(
            taken <= self.memory_bytes,
            "{} bytes of input made {} take {taken} bytes",
            data.len(),
            self.name
        );
    }
}
