//! The compressed form of a cached body: made once, when somebody asks for it, and kept beside the body.
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// A body as a part of a DEFLATE stream (RFC 1951).
#[derive(Debug)]
pub struct DeflatedBody {
    /// Blocks of which none is the last, ended at a whole byte, so that others may follow.
    pub blocks: Bytes,
    /// CRC-32 of the body as it was.
    pub crc32: u32,
}

/// Where the compressed form of one body is kept.
#[derive(Debug, Default)]
pub struct DeflatedSlot(OnceLock<Option<DeflatedBody>>);

impl DeflatedSlot {
    /// Bodies smaller than this are sent as they are: to inflate them takes a client longer than a network of 1 Gbit/s
    /// takes for the bytes that are saved (docs/performance.md).
    pub const FROM_BYTES: usize = 8 << 10;

    /// A slot for a body that is large enough.
    #[must_use]
    pub fn of(body: &Bytes) -> Option<Arc<Self>> {
        (body.len() >= Self::FROM_BYTES).then(Arc::default)
    }

    /// The most bytes that the compressed form of a body takes: one that is larger than half of the body is not worth
    /// it, and is not kept.
    #[must_use]
    pub const fn max_bytes(body_bytes: usize) -> usize {
        body_bytes / 2
    }

    /// The compressed form of `body`, which `deflate` makes if it was not made before; `None` where it is not worth it.
    pub fn get_or_make(
        &self,
        body: &Bytes,
        deflate: impl FnOnce(&Bytes) -> Option<DeflatedBody>,
    ) -> Option<&DeflatedBody> {
        let most = Self::max_bytes(body.len());
        let made = || deflate(body).filter(|deflated| deflated.blocks.len() <= most);
        self.0.get_or_init(made).as_ref()
    }
}
