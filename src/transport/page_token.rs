//! Opaque tokens that lead from one page of a list to the next.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use uuid::Uuid;

use crate::domain::{Cursor, Difficulty, Error, ListQuery, sha256};

/// Makes and reads page tokens.
///
/// A token is url-safe text around: a byte that tells what it is, the filter
/// it belongs to, the place where the next page starts, and a MAC. The size of a
/// page may change from one to the next, as AIP-158 has it. So it works
/// on every replica of one catalog, and nowhere else, and nobody can make one up.
#[derive(Clone, Debug)]
pub struct PageTokens {
    /// Its `Debug` shows the algorithm and nothing else.
    key: hmac::Key,
}

/// Tells these tokens from those of histories, and from those of other forms.
const KIND: u8 = 4;
/// Half of the MAC: 128 bits are enough against guessing, and the token stays short.
const MAC_LEN: usize = 16;

impl PageTokens {
    /// Signs with `key`, which all replicas of one catalog share.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The token for the page of `query` behind `cursor`.
    pub(super) fn make(&self, query: &ListQuery, cursor: &Cursor) -> String {
        let Cursor {
            difficulty,
            points,
            title,
            id,
        } = cursor;
        let mut content = filters(query).to_vec();
        content.push(rank(*difficulty));
        content.extend(points.to_be_bytes());
        content.extend(id.uuid().as_bytes());
        content.extend(title.as_bytes());
        self.seal(KIND, &content)
    }

    /// The token of this kind that carries `content`.
    pub(super) fn seal(&self, kind: u8, content: &[u8]) -> String {
        let mut token = [&[kind], content].concat();
        let mac = hmac::sign(&self.key, &token);
        token.extend(mac.as_ref().iter().take(MAC_LEN));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What [`Self::seal`] was given, read by `read`; `None` for an empty token, which stands for the first page.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPageToken`] unless it is of this kind, was made here, and `read` can read it.
    pub(super) fn open<T>(
        &self,
        kind: u8,
        token: &str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let content = self.signed(token);
        let content = content.as_deref().and_then(<[u8]>::split_first);
        let content = content.filter(|(of_kind, _)| **of_kind == kind);
        let value = content.and_then(|(_, content)| read(content));
        let damaged = Error::InvalidPageToken("is damaged, or was not issued by this catalog");
        value.map(Some).ok_or(damaged)
    }

    fn signed(&self, token: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let mac = bytes.split_off(bytes.len().checked_sub(MAC_LEN)?);
        let right = hmac::sign(&self.key, &bytes);
        let differ = right
            .as_ref()
            .iter()
            .zip(&mac)
            .fold(0, |differ, (a, b)| differ | (a ^ b));
        (differ == 0).then_some(bytes)
    }

    /// Where the page of `token` starts; `None` for the first.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPageToken`] unless it was made here for the filters of `query`.
    pub(super) fn read(&self, token: &str, query: &ListQuery) -> Result<Option<Cursor>, Error> {
        match self.open(KIND, token, cursor)? {
            Some((of, _)) if of != filters(query) => Err(Error::InvalidPageToken(
                "was issued for other filters; repeat those of the page before",
            )),
            opened => Ok(opened.map(|(_, cursor)| cursor)),
        }
    }
}

/// The filters and the place that a token carries.
fn cursor(content: &[u8]) -> Option<([u8; 4], Cursor)> {
    let (filters, rest) = content.split_first_chunk()?;
    let (difficulty, rest) = rest.split_first()?;
    let (points, rest) = rest.split_first_chunk()?;
    let (id, title) = rest.split_first_chunk()?;
    let mut difficulties = Difficulty::ALL.into_iter();
    let cursor = Cursor {
        difficulty: difficulties.find(|known| rank(*known) == *difficulty)?,
        points: i32::from_be_bytes(*points),
        title: String::from_utf8(title.to_vec()).ok()?,
        id: Uuid::from_bytes(*id).into(),
    };
    Some((*filters, cursor))
}

/// The beginning of a hash of the filters.
fn filters(query: &ListQuery) -> [u8; 4] {
    sha256(query.filters().to_string().as_bytes())
}

fn rank(difficulty: Difficulty) -> u8 {
    u8::try_from(difficulty.rank()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PageSize;

    const FIRST: ListQuery = ListQuery::first(Some(Difficulty::Beginner), PageSize::DEFAULT);

    fn token(tokens: &PageTokens) -> (Cursor, String) {
        let cursor = Cursor {
            difficulty: Difficulty::Beginner,
            points: -7,
            title: "Größe".to_owned(),
            id: Uuid::from_u128(9).into(),
        };
        let token = tokens.make(&FIRST, &cursor);
        (cursor, token)
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        let tokens = PageTokens::new(b"key");
        let (cursor, token) = token(&tokens);
        assert_eq!(tokens.read(&token, &FIRST).unwrap(), Some(cursor));
    }

    #[test]
    fn a_token_with_any_byte_changed_or_cut_off_is_refused() {
        let tokens = PageTokens::new(b"key");
        let bytes = URL_SAFE_NO_PAD.decode(token(&tokens).1).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            for bad in [&changed[..], &bytes[..at]] {
                let bad = URL_SAFE_NO_PAD.encode(bad);
                assert!(bad.is_empty() || tokens.read(&bad, &FIRST).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn a_token_of_another_key_or_filter_is_refused() {
        let tokens = PageTokens::new(b"key");
        let (_, token) = token(&tokens);
        assert!(PageTokens::new(b"other").read(&token, &FIRST).is_err());
        assert!(
            tokens
                .read(&token, &ListQuery::first(None, PageSize::DEFAULT))
                .is_err()
        );
    }
}
