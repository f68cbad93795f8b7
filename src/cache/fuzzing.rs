//! What the targets in `fuzz/` try of this module: how it reads what lies in Redis.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use bytes::Bytes;

use super::entry::SerializedEntry;
use crate::redis::MacKey;

/// An entry that was read under `key`, as it is written again.
#[must_use]
pub fn reread(bytes: &Bytes, key: &str, mac: &MacKey) -> Option<Vec<u8>> {
    let entry = SerializedEntry::read(bytes, key, mac)?;
    Some(entry.to_bytes(key, mac))
}
