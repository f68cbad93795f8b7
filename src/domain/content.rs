//! SHA-256 as the product uses it, and the hash over the texts that decide a challenge's tip.
use ring::digest::{Context, SHA256, digest};

use super::Difficulty;

/// Names those texts of a challenge that decide its tip: [`hash_of_fields`] over the title, the description
/// and the word of the difficulty.
///
/// Stores keep it beside every tip: another definition would make all of them tips of other texts.
#[must_use]
pub fn content_hash(title: &str, description: &str, difficulty: Difficulty) -> [u8; 32] {
    let fields = [title, description, difficulty.as_str()];
    hash_of_fields(fields.map(str::as_bytes))
}

/// SHA-256 over fields, each behind its length in bytes (64 bits, little-endian), so that none can run into the next.
pub fn hash_of_fields(fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for field in fields {
        let field = field.as_ref();
        hash.update(&(field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    finished(hash)
}

/// The first `N` bytes of the SHA-256 of `bytes`.
#[must_use]
pub fn sha256<const N: usize>(bytes: &[u8]) -> [u8; N] {
    first_of(digest(&SHA256, bytes).as_ref())
}

/// The first `N` bytes of a SHA-256.
#[must_use]
pub fn finished<const N: usize>(hash: Context) -> [u8; N] {
    first_of(hash.finish().as_ref())
}

fn first_of<const N: usize>(hash: &[u8]) -> [u8; N] {
    const { assert!(N <= 32, "SHA-256 has 32 bytes") };
    hash.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TipKey;

    /// By `printf '\x09\0\0\0\0\0\0\0Say hello\x0d\0\0\0\0\0\0\0To a stranger\x08\0\0\0\0\0\0\0beginner' | sha256sum`.
    #[test]
    fn what_stores_keep_is_found_again_by_every_release() {
        let hash = content_hash("Say hello", "To a stranger", Difficulty::Beginner);
        assert_eq!(
            TipKey(hash).to_string(),
            "ec29b0cd740f3fc00dca5b36d90694a21cec8c2c8c359a6239c6c0ab7ca8ee3c"
        );
    }

    #[test]
    fn every_text_counts_and_none_runs_into_the_next() {
        let plain = content_hash("ab", "c", Difficulty::Beginner);
        for other in [
            content_hash("a", "bc", Difficulty::Beginner),
            content_hash("ab", "", Difficulty::Beginner),
            content_hash("ab", "c", Difficulty::Advanced),
        ] {
            assert_ne!(other, plain);
        }
    }
}
