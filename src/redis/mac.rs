//! Codes that only holders of a key can make, for what lies where others can write too.

/// Makes and checks such codes (keyed BLAKE3).
#[derive(Clone)]
pub struct MacKey([u8; 32]);

/// Sets our codes apart from all else that the key may be used for.
const CONTEXT: &str = "challenges-catalog, entries and tips in Redis, version 1";

impl MacKey {
    /// How many bytes a code has.
    pub const BYTES: usize = 32;

    /// For a secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// The code for `parts`, with their lengths, so that no two lists of as many have the same. The longest
    /// comes first: only what begins at a multiple of a kibibyte is read eight or sixteen at a time.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; Self::BYTES] {
        *self.hash(parts).as_bytes()
    }

    /// Whether `code` is the one for `parts`; it takes as long for one that is nearly right.
    #[must_use]
    pub fn is_code(&self, code: &[u8; Self::BYTES], parts: &[&[u8]]) -> bool {
        self.hash(parts) == blake3::Hash::from_bytes(*code)
    }

    fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
        }
        hasher.finalize()
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
