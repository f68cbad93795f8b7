//! Message authentication codes for entries in Redis, where other programs can write too.

use highway::{HighwayHash, HighwayHasher, Key};
use ring::hmac;

/// Makes and checks such codes, by `HighwayHash` (Alakuijala, Cox and Wassenberg, arXiv:1612.06257): a
/// pseudo-random function of its key, which takes a fraction of the time of keyed BLAKE3 for a page of a list.
/// Every shared hit waits for it.
#[derive(Clone)]
pub struct MacKey(Key);

/// Sets our codes apart from all else that the key may be used for.
const CONTEXT: &[u8] = b"challenges-catalog, entries and tips in Redis, version 1";

impl MacKey {
    /// How many bytes a code has.
    pub const BYTES: usize = 32;

    /// For a secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), CONTEXT);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(derived.as_ref().chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
        Self(Key(words))
    }

    /// The code for `parts`, with their lengths, so that no two lists of as many have the same.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; Self::BYTES] {
        let mut hasher = HighwayHasher::new(self.0);
        for part in parts {
            hasher.append(part);
        }
        for part in parts {
            hasher.append(&(part.len() as u64).to_le_bytes());
        }
        let mut code = [0; Self::BYTES];
        for (bytes, word) in code.chunks_exact_mut(8).zip(hasher.finalize256()) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        code
    }

    /// Whether `code` is the one for `parts`; it takes as long for one that is nearly right.
    #[must_use]
    pub fn is_code(&self, code: &[u8; Self::BYTES], parts: &[&[u8]]) -> bool {
        let differences = self.code(parts).into_iter().zip(code);
        differences.fold(0, |all, (ours, theirs)| all | (ours ^ theirs)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_for_its_parts_and_its_key_alone() {
        let key = MacKey::new(&[1; 32]);
        let parts: [&[u8]; 2] = [b"key", b"content"];
        let code = key.code(&parts);
        assert!(key.is_code(&code, &parts));
        assert!(!key.is_code(&code, &[b"keyc", b"ontent"]));
        assert!(!key.is_code(&code, &[b"key", b"contenT"]));
        assert!(!MacKey::new(&[2; 32]).is_code(&code, &parts));
    }
}
