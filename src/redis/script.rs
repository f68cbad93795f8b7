//! Lua scripts, which Redis runs by their SHA-1 once it has seen their text.
use bb8_redis::redis::{self, Value};

/// A Lua script, and the name that Redis knows it by once it ran there.
pub struct Script {
    pub(super) code: &'static str,
    pub(super) sha1: String,
    /// Whether an answer shows that Redis took what the script writes.
    pub(super) wrote: fn(&Value) -> bool,
}

impl Script {
    /// A script, by its text, that writes whenever it answers.
    #[must_use]
    pub fn new(code: &'static str) -> Self {
        Self::writing_when(code, |_| true)
    }

    /// A script that proves that writes work only if `wrote(answer)`: a demoted server gives other answers too.
    #[must_use]
    pub fn writing_when(code: &'static str, wrote: fn(&Value) -> bool) -> Self {
        Self {
            code,
            sha1: redis::Script::new(code).get_hash().to_owned(),
            wrote,
        }
    }
}

/// The word that the answer of a script begins with.
#[must_use]
pub fn first_word(answer: &Value) -> Option<&[u8]> {
    if let Value::Array(parts) = answer
        && let Some(Value::BulkString(word)) = parts.first()
    {
        return Some(word);
    }
    None
}
