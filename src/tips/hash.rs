//! SHA-256 of texts, whole and as they grow.
use ring::digest::{Context, SHA256};

use crate::domain;

/// SHA-256 of a text.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    domain::sha256(text.as_bytes())
}

/// The first 8 bytes of the SHA-256 of a text: enough to tell one prefix from another.
pub(super) fn short_hash(text: &str) -> [u8; 8] {
    domain::sha256(text.as_bytes())
}

/// The [`short_hash`] of a text that grows, without hashing it anew each time.
#[derive(Clone)]
pub(super) struct Growing(Context);

impl Growing {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    pub(super) fn short_hash(&self) -> [u8; 8] {
        domain::finished(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_text_has_the_hash_of_the_whole_at_every_moment() {
        let mut growing = Growing::new();
        assert_eq!(growing.short_hash(), short_hash(""));
        for (piece, whole) in [("Say ", "Say "), ("„Hallo“", "Say „Hallo“")] {
            growing.push(piece);
            assert_eq!(growing.short_hash(), short_hash(whole));
        }
    }
}
