//! Making a token.
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use secrecy::SecretString;

/// A token that nobody has had yet, and the hash by which an access file names it.
pub struct NewToken {
    /// What the caller sends: `cc_` and 43 characters, 256 random bits.
    pub token: SecretString,
    /// Its SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

impl NewToken {
    /// Makes one.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        // The beginning lets scanners of repositories find what should not be there.
        let token = format!("cc_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let sha256 = sha256(&token);
        Self {
            token: token.into(),
            sha256,
        }
    }
}

/// The hash by which an access file names a token.
pub(super) fn sha256(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
