use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use uuid::Uuid;

use crate::domain::{Cursor, Difficulty, Error};

/// Makes and reads page tokens.
///
/// A token is url-safe text around: a byte that tells what it is, the filter
/// it belongs to, the place where the next page starts, and a MAC. The size of a
/// page may change from one to the next, as AIP-158 has it. So it works
/// on every replica of one catalog, and nowhere else, and nobody can make one up.
#[derive(Clone)]
pub struct PageTokens {
    key: hmac::Key,
}

impl fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageTokens([REDACTED])")
    }
}

/// Tells these tokens from those of histories, and from those of other forms.
const KIND: u8 = 3;
/// Half of the MAC: 128 bits are enough against guessing, and the token stays short.
const MAC_LEN: usize = 16;
/// kind, filter, difficulty, points, id
const FIXED_LEN: usize = 1 + 1 + 1 + 4 + 16;

impl PageTokens {
    /// Signs with `key`, which all replicas of one catalog share.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The token for the page behind `cursor`.
    pub(super) fn make(&self, filter: Option<Difficulty>, cursor: &Cursor) -> String {
        let mut token = vec![KIND, rank(filter), rank(Some(cursor.difficulty))];
        token.extend(cursor.points.to_be_bytes());
        token.extend(cursor.id.uuid().as_bytes());
        token.extend(cursor.title.as_bytes());
        self.seal(token)
    }

    /// The token that carries `content`, whose first byte tells what it is.
    pub(super) fn seal(&self, mut content: Vec<u8>) -> String {
        let mac = hmac::sign(&self.key, &content);
        content.extend(mac.as_ref().iter().take(MAC_LEN));
        URL_SAFE_NO_PAD.encode(content)
    }

    /// What [`Self::seal`] was given; `None` unless it was.
    pub(super) fn open(&self, token: &str) -> Option<Vec<u8>> {
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
    /// [`Error::InvalidPageToken`] unless it was made here for the same filter.
    pub(super) fn read(
        &self,
        token: &str,
        filter: Option<Difficulty>,
    ) -> Result<Option<Cursor>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let damaged = || Error::InvalidPageToken("is damaged, or was not issued by this catalog");
        let signed = self.open(token).ok_or_else(damaged)?;
        let (fixed, title) = signed.split_at_checked(FIXED_LEN).ok_or_else(damaged)?;
        let [KIND, of_filter, difficulty, rest @ ..] = fixed else {
            return Err(damaged());
        };
        let (points, id) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        if *of_filter != rank(filter) {
            return Err(Error::InvalidPageToken(
                "was issued for another difficulty; repeat that of the page before",
            ));
        }
        let by_rank = |known: &Difficulty| rank(Some(*known)) == *difficulty;
        Ok(Some(Cursor {
            difficulty: Difficulty::ALL
                .into_iter()
                .find(by_rank)
                .ok_or_else(damaged)?,
            points: i32::from_be_bytes(*points),
            title: String::from_utf8(title.to_vec()).map_err(|_| damaged())?,
            id: Uuid::from_slice(id).map_err(|_| damaged())?.into(),
        }))
    }
}

fn rank(filter: Option<Difficulty>) -> u8 {
    match filter {
        None => 0,
        Some(Difficulty::Beginner) => 1,
        Some(Difficulty::Intermediate) => 2,
        Some(Difficulty::Advanced) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: Option<Difficulty> = Some(Difficulty::Beginner);

    fn token(tokens: &PageTokens) -> (Cursor, String) {
        let cursor = Cursor {
            difficulty: Difficulty::Beginner,
            points: -7,
            title: "Größe".to_owned(),
            id: Uuid::from_u128(9).into(),
        };
        let token = tokens.make(FILTER, &cursor);
        (cursor, token)
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        let tokens = PageTokens::new(b"key");
        let (cursor, token) = token(&tokens);
        assert_eq!(tokens.read(&token, FILTER).unwrap(), Some(cursor));
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
                assert!(bad.is_empty() || tokens.read(&bad, FILTER).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn a_token_of_another_key_or_filter_is_refused() {
        let tokens = PageTokens::new(b"key");
        let (_, token) = token(&tokens);
        assert!(PageTokens::new(b"other").read(&token, FILTER).is_err());
        assert!(tokens.read(&token, None).is_err());
    }
}
