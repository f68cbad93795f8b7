//! The JSON form of a cached body, and its compressed form: each made once, when somebody asks for it, and kept beside
//! the body.
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// Where the JSON form of one body is kept.
#[derive(Debug, Default)]
pub struct JsonSlot {
    json: OnceLock<Bytes>,
    /// Compressed; `None` where that is not worth it.
    gzip: OnceLock<Option<Bytes>>,
}

impl JsonSlot {
    /// JSON that is smaller than this is sent as it is: it fits in one packet.
    pub const GZIP_FROM_BYTES: usize = 1 << 10;

    /// The largest JSON that is kept of a body; larger JSON is made anew for each caller, so that an entry does not
    /// grow beyond what the cache counts.
    #[must_use]
    pub const fn json_max_bytes(body_bytes: usize) -> usize {
        body_bytes.saturating_mul(3).saturating_add(512)
    }

    /// The most bytes that both forms of a body take.
    #[must_use]
    pub const fn max_bytes(body_bytes: usize) -> usize {
        let json = Self::json_max_bytes(body_bytes);
        json.saturating_add(json / 2)
            .saturating_add(size_of::<Self>())
    }

    /// A slot for a body.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::default()
    }

    /// The JSON form of `body`, which `encode` makes if it is not kept.
    pub fn json(&self, body: &Bytes, encode: impl FnOnce(&Bytes) -> Bytes) -> Bytes {
        if let Some(json) = self.json.get() {
            return json.clone();
        }
        let json = encode(body);
        if json.len() <= Self::json_max_bytes(body.len()) {
            return self.json.get_or_init(|| json).clone();
        }
        json
    }

    /// The compressed form of that JSON, which `compress` makes if it is not kept; `None` where it is not worth it.
    pub fn gzip(&self, json: &Bytes, compress: impl FnOnce(&Bytes) -> Bytes) -> Option<Bytes> {
        if json.len() < Self::GZIP_FROM_BYTES {
            return None;
        }
        let made = || Some(compress(json)).filter(|gzip| gzip.len() <= json.len() / 2);
        match self.json.get() {
            Some(_) => self.gzip.get_or_init(made).clone(),
            None => made(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_made_once_unless_it_is_too_large_to_be_kept() {
        let body = Bytes::from_static(b"body");
        let slot = JsonSlot::empty();
        let small = Bytes::from(vec![b'1'; JsonSlot::json_max_bytes(body.len())]);
        assert_eq!(slot.json(&body, |_| small.clone()), small);
        assert_eq!(slot.json(&body, |_| Bytes::new()), small);
        let slot = JsonSlot::empty();
        let large = Bytes::from(vec![b'2'; JsonSlot::json_max_bytes(body.len()) + 1]);
        assert_eq!(slot.json(&body, |_| large.clone()), large);
        assert_eq!(slot.json(&body, |_| Bytes::new()), Bytes::new());
    }

    #[test]
    fn both_forms_take_no_more_than_is_counted() {
        let body = Bytes::from(vec![b'b'; 1_000]);
        let slot = JsonSlot::empty();
        let json = slot.json(&body, |body| {
            Bytes::from(vec![b'j'; JsonSlot::json_max_bytes(body.len())])
        });
        let half = |json: &Bytes| Bytes::from(vec![b'g'; json.len() / 2]);
        let gzip = slot.gzip(&json, half).unwrap();
        assert!(json.len() + gzip.len() <= JsonSlot::max_bytes(body.len()));
        let slot = JsonSlot::empty();
        assert_eq!(slot.gzip(&json, |json| json.slice(..=json.len() / 2)), None);
        assert_eq!(
            slot.gzip(&Bytes::from_static(b"{}"), |_| Bytes::new()),
            None
        );
    }
}
