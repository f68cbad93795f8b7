//! What browsers and shared caches may keep of an answer, and what the answer says of its own age.
use std::{fmt::Write, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AGE, CACHE_CONTROL, ETAG, VARY},
};

use crate::{
    domain::{ChallengeId, Difficulty, Freshness, Source, Tag},
    transport::DirectRead,
};

/// How long answers may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheProfile {
    /// By everybody, as long as they are called fresh.
    Proof,
    /// The same by browsers, and longer by shared caches, which are purged by tag when something changes.
    Edge,
    /// Not at all.
    Off,
}

/// The values of the headers that say so, made once.
#[derive(Clone, Debug)]
pub(super) struct CacheHeaders {
    profile: CacheProfile,
    public: HeaderValue,
    private: HeaderValue,
    vary: HeaderValue,
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const XKEY: HeaderName = HeaderName::from_static("xkey");
const VERSION: HeaderName = HeaderName::from_static("x-catalog-version");

const NOTHING: HeaderValue = HeaderValue::from_static("no-store");
/// A stale answer may be kept to ask whether it is current after all (RFC 9111, 5.2.2.4).
const STALE: HeaderValue = HeaderValue::from_static("no-cache");
/// How long shared caches keep an answer, and serve it while they ask anew, and when that fails.
const SHARED: &str = "max-age=60, stale-while-revalidate=60, stale-if-error=300";
/// An answer with more tags is not for shared caches: proxies refuse headers beyond some 4 KiB.
const TAGS_MAX: usize = 20;

/// Who may have an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever asks: this caller brought no credentials.
    Everybody,
    /// The caller alone.
    Caller,
}

impl CacheHeaders {
    /// For answers that are called fresh for `max_staleness`, and that differ by Origin or not.
    pub(super) fn new(profile: CacheProfile, max_staleness: Duration, by_origin: bool) -> Self {
        let own = format!("max-age={}", max_staleness.as_secs());
        let public = match profile {
            CacheProfile::Proof => format!("public, {own}, must-revalidate"),
            CacheProfile::Edge => format!(
                "public, {own}, {}",
                SHARED.replacen("max-age", "s-maxage", 1)
            ),
            CacheProfile::Off => "no-store".to_owned(),
        };
        let private = match profile {
            CacheProfile::Proof | CacheProfile::Edge => format!("private, {own}, must-revalidate"),
            CacheProfile::Off => "no-store".to_owned(),
        };
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(NOTHING);
        Self {
            profile,
            public: value(public),
            private: value(private),
            vary: HeaderValue::from_static(if by_origin {
                "Accept-Encoding, Authorization, Origin"
            } else {
                "Accept-Encoding, Authorization"
            }),
        }
    }

    /// Adds the headers that a 304 repeats, and what tells the answer's age.
    pub(super) fn put(
        &self,
        headers: &mut HeaderMap,
        read: &DirectRead,
        audience: Audience,
        tags: &Tags,
    ) {
        if let Ok(etag) = HeaderValue::try_from(read.etag.as_str()) {
            headers.insert(ETAG, etag);
        }
        headers.insert(VARY, self.vary.clone());
        let Some(freshness) = &read.freshness else {
            headers.insert(CACHE_CONTROL, NOTHING);
            return;
        };
        self.put_control(headers, freshness, audience, tags);
        headers.insert(CACHE_STATUS, cache_status(freshness));
        if let Ok(version) = HeaderValue::from_bytes(&freshness.version.ascii()) {
            headers.insert(VERSION, version);
        }
        headers.insert(
            AGE,
            HeaderValue::from(whole_seconds(freshness.staleness_bound)),
        );
    }

    fn put_control(
        &self,
        headers: &mut HeaderMap,
        freshness: &Freshness,
        audience: Audience,
        tags: &Tags,
    ) {
        let is_shared = audience == Audience::Everybody && tags.are_few();
        let control = match self.profile {
            CacheProfile::Off => &NOTHING,
            CacheProfile::Proof | CacheProfile::Edge if freshness.stale => &STALE,
            CacheProfile::Proof | CacheProfile::Edge if is_shared => &self.public,
            CacheProfile::Proof | CacheProfile::Edge => &self.private,
        };
        headers.insert(CACHE_CONTROL, control.clone());
        if self.profile != CacheProfile::Edge || !is_shared || freshness.stale {
            return;
        }
        headers.insert(CDN_CACHE_CONTROL, HeaderValue::from_static(SHARED));
        headers.insert(SURROGATE_CONTROL, HeaderValue::from_static(SHARED));
        if let Ok(spaced) = HeaderValue::try_from(tags.joined(" ")) {
            headers.insert(SURROGATE_KEY, spaced.clone());
            headers.insert(XKEY, spaced);
        }
        if let Ok(listed) = HeaderValue::try_from(tags.joined(",")) {
            headers.insert(CACHE_TAG, listed);
        }
    }
}

/// Rounded up: no answer is older than it says.
fn whole_seconds(age: Duration) -> u64 {
    age.as_secs()
        .saturating_add(u64::from(age.subsec_nanos() > 0))
}

/// Which changes make an answer outdated, so that shared caches can be told.
pub(super) enum Tags {
    /// A list, of one difficulty or of all.
    List(Option<Difficulty>),
    /// Challenges.
    Challenges(Vec<ChallengeId>),
}

impl Tags {
    fn are_few(&self) -> bool {
        match self {
            Self::List(_) => true,
            Self::Challenges(ids) => ids.len() <= TAGS_MAX,
        }
    }

    fn all(&self) -> Vec<Tag> {
        let mut tags = vec![Tag::Everything];
        match self {
            Self::List(Some(only)) => tags.push(Tag::Difficulty(*only)),
            Self::List(None) => tags.extend(Difficulty::ALL.map(Tag::Difficulty)),
            Self::Challenges(ids) => tags.extend(ids.iter().copied().map(Tag::Challenge)),
        }
        tags
    }

    fn joined(&self, separator: &str) -> String {
        let mut text = String::new();
        for tag in self.all() {
            if !text.is_empty() {
                text.push_str(separator);
            }
            // Writing to memory does not fail.
            let _ = write!(text, "{tag}");
        }
        text
    }
}

/// How the caches of this service took part (RFC 9211).
const fn cache_status(freshness: &Freshness) -> HeaderValue {
    HeaderValue::from_static(match (freshness.stale, freshness.source) {
        (true, _) => "challenges-catalog; hit; detail=stale",
        (false, Source::NearCache) => "challenges-catalog; hit; detail=near",
        (false, Source::SharedCache) => "challenges-catalog; hit; detail=shared",
        (false, Source::Database) => "challenges-catalog; fwd=miss; detail=database",
    })
}
