//! gzip (RFC 1952) of answers whose compressed body is cached.
//!
//! An answer is its cached body, and behind it a few fields that differ from call to call. The gzip stream is put
//! together the same way: the cached blocks of the body, one stored block with the fields, and a checksum that goes on
//! from that of the body. So a compressed hit compresses nothing.
use bytes::{BufMut, Bytes, BytesMut};
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use http::{HeaderMap, HeaderName};

use super::request_body::PREFIX_LEN;
use crate::domain::{Answer, DeflatedBody};

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What a gRPC message begins with when it is compressed.
const COMPRESSED: u8 = 1;
/// DEFLATE, no name, no time, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A stored block has its length in 16 bits.
const STORED_MAX_BYTES: usize = u16::MAX as usize;

/// Whether the caller takes gzip.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .any(|name| name.trim() == "gzip")
}

/// The compressed message of an answer with these `fields` of its call, with its prefix; `None` where it is to be
/// sent as it is.
pub(super) fn compressed(answer: &Answer, fields: &[u8], headers: &HeaderMap) -> Option<Bytes> {
    let (slot, body) = (answer.deflated.as_ref()?, answer.body.as_ref()?);
    if !accepts_gzip(headers) || fields.len() > STORED_MAX_BYTES {
        return None;
    }
    let deflated = slot.get_or_make(body, deflate)?;
    let length = GZIP_HEADER.len() + deflated.blocks.len() + STORED_HEADER_BYTES + fields.len();
    let length = length + TRAILER_BYTES;
    let mut message = BytesMut::with_capacity(PREFIX_LEN + length);
    message.put_u8(COMPRESSED);
    message.put_u32(u32::try_from(length).ok()?);
    message.put_slice(&GZIP_HEADER);
    message.put_slice(&deflated.blocks);
    let stored = u16::try_from(fields.len()).ok()?;
    message.put_u8(LAST_BLOCK_STORED);
    message.put_u16_le(stored);
    message.put_u16_le(!stored);
    message.put_slice(fields);
    let mut checksum = Hasher::new_with_initial(deflated.crc32);
    checksum.update(fields);
    message.put_u32_le(checksum.finalize());
    // Modulo 2^32, as the format has it.
    let size = (body.len() + fields.len()) & (u32::MAX as usize);
    message.put_u32_le(u32::try_from(size).ok()?);
    Some(message.freeze())
}

const STORED_HEADER_BYTES: usize = 5;
const TRAILER_BYTES: usize = 8;
const LAST_BLOCK_STORED: u8 = 1;

/// Compresses a body, so that other blocks may follow.
fn deflate(body: &Bytes) -> Option<DeflatedBody> {
    let mut blocks = Vec::with_capacity(body.len() / 2 + 64);
    let mut deflate = Compress::new(Compression::default(), false);
    loop {
        let done = usize::try_from(deflate.total_in()).ok()?;
        let rest = body.get(done..)?;
        let before = blocks.len();
        deflate
            .compress_vec(rest, &mut blocks, FlushCompress::Sync)
            .ok()?;
        let is_all_in = deflate.total_in() == body.len() as u64;
        // Room that is left over says that all was flushed.
        if is_all_in && blocks.len() < blocks.capacity() {
            break;
        }
        if blocks.len() == before && blocks.len() < blocks.capacity() {
            return None;
        }
        blocks.reserve(body.len() / 2 + 64);
    }
    Some(DeflatedBody {
        blocks: blocks.into(),
        crc32: crc32fast::hash(body),
    })
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
