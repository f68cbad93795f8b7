use bb8_redis::redis;

/// A Lua script, and the name that Redis knows it by once it ran there.
pub struct Script {
    pub(super) code: &'static str,
    pub(super) sha1: String,
}

impl Script {
    /// A script by its text.
    #[must_use]
    pub fn new(code: &'static str) -> Self {
        Self {
            code,
            sha1: redis::Script::new(code).get_hash().to_owned(),
        }
    }
}
