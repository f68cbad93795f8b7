//! What a read gives: an encoded body, its etag, and how old it can be.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{DeflatedSlot, JsonSlot, UnixMicros, Version, sha256};

/// Where an answer was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The memory of this replica.
    NearCache,
    /// The cache that the replicas share.
    SharedCache,
    /// The database.
    Database,
}

/// How old an answer can be, and which version of the catalog it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The answer is at least as new as this version.
    pub version: Version,
    /// Where it was taken from.
    pub source: Source,
    /// True when the replica could not prove that the answer is current.
    pub stale: bool,
    /// Every change committed longer ago than this is in the answer; when
    /// stale, the time since the replica last knew.
    pub staleness_bound: Duration,
}

/// Names the content of an answer, equal wherever the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Etag(pub [u8; 8]);

impl Etag {
    /// The name of a body, with enough bits that two bodies of one catalog never share one; of
    /// nothing where there is none.
    #[must_use]
    pub fn of(body: Option<&Bytes>) -> Self {
        Self(sha256(body.map_or(&[], |body| body)))
    }
}

/// What a read gives: a body that was encoded once, and what is known of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The encoded body, opaque here; `None` when the catalog has nothing there.
    pub body: Option<Bytes>,
    /// Its compressed form, where that may be worth it.
    pub deflated: Option<Arc<DeflatedSlot>>,
    /// Its JSON form, where HTTP is served.
    pub json: Option<Arc<JsonSlot>>,
    /// Names the body.
    pub etag: Etag,
    /// When the cached copy expires; `None` when nothing was kept.
    pub expires_at: Option<UnixMicros>,
    /// How old it can be.
    pub freshness: Freshness,
}
