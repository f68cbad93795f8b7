//! Tokens with which a caller resumes the stream of a tip.
use crate::domain::{Epoch, ResumePoint, TipKey};

const VERSION: u8 = 1;
/// version, key, epoch, offset, hash
const LEN: usize = 1 + 32 + 8 + 8 + 8;

/// Fits no text, so whoever resumes there gets all of it.
const NOWHERE: ResumePoint = ResumePoint {
    key: TipKey([0; 32]),
    epoch: Epoch(0),
    offset: u64::MAX,
    prefix_hash: [0; 8],
};

/// The token that leads to `point`. It needs no signature: one that is made up leads to text
/// that its maker may read anyway, or nowhere.
pub(super) fn make(point: &ResumePoint) -> Vec<u8> {
    let mut token = Vec::with_capacity(LEN);
    token.push(VERSION);
    token.extend(point.key.0);
    token.extend(point.epoch.0.to_be_bytes());
    token.extend(point.offset.to_be_bytes());
    token.extend(point.prefix_hash);
    token
}

/// Where a token leads; `None` for the start, which an empty one stands for. A damaged one leads
/// nowhere, which is no error: a caller must not lose its tip over a token.
pub(super) fn read(token: &[u8]) -> Option<ResumePoint> {
    (!token.is_empty()).then(|| parse(token).unwrap_or(NOWHERE))
}

fn parse(token: &[u8]) -> Option<ResumePoint> {
    let (version, rest) = token.split_first()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let prefix_hash = rest.try_into().ok()?;
    (*version == VERSION).then(|| ResumePoint {
        key: TipKey(*key),
        epoch: Epoch(u64::from_be_bytes(*epoch)),
        offset: u64::from_be_bytes(*offset),
        prefix_hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_point() {
        let point = ResumePoint {
            key: TipKey([7; 32]),
            epoch: Epoch(1_790_000_000_000),
            offset: 259,
            prefix_hash: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        let token = make(&point);
        assert_eq!(token.len(), LEN);
        assert_eq!(read(&token), Some(point));
    }

    #[test]
    fn no_token_is_the_start_and_a_damaged_one_leads_nowhere() {
        assert_eq!(read(b""), None);
        let good = make(&ResumePoint {
            offset: 0,
            ..NOWHERE
        });
        let foreign_version = [&[VERSION + 1], &good[1..]].concat();
        let too_long = [&good[..], &[0]].concat();
        for bad in [
            &b"garbage"[..],
            &good[..LEN - 1],
            &too_long,
            &foreign_version,
        ] {
            assert_eq!(read(bad), Some(NOWHERE), "{bad:?}");
        }
    }
}
