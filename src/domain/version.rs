//! Versions of the catalog: which commit of which database an answer shows.
use std::{fmt, str::FromStr};

use super::hex::{hex, hex_of_half};

/// The commit of the catalog that something was read at.
///
/// Commits are numbered when they become visible, so whoever sees number n
/// sees all before it. Numbers of different timelines do not compare: a
/// timeline ends where a standby was promoted, and commits can be lost there.
/// The order is by timeline first, as the 24 hexadecimal digits of `Display` order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Counts the histories of the database.
    pub timeline: u32,
    /// Counts the commits that changed the catalog; gaps are harmless.
    pub seq: u64,
}

fn text_of(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

impl Stamp {
    /// How many hexadecimal digits `Display` writes.
    pub const HEX_LEN: usize = 24;
    /// Newer than any commit.
    pub const MAX: Self = Self {
        timeline: u32::MAX,
        seq: u64::MAX,
    };
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&hex_of_half(self.timeline)))?;
        f.write_str(text_of(&hex(self.seq)))
    }
}

impl FromStr for Stamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("must be {} hexadecimal digits", Self::HEX_LEN);
        if text.len() != Self::HEX_LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let (timeline, seq) = text.split_at_checked(8).ok_or_else(wrong)?;
        Ok(Self {
            timeline: u32::from_str_radix(timeline, 16).map_err(|_| wrong())?,
            seq: u64::from_str_radix(seq, 16).map_err(|_| wrong())?,
        })
    }
}

/// Tells one database from another, and from its own copy restored elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DatabaseId(pub u64);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&hex(self.0)))
    }
}

/// A version of one catalog, as callers carry it: `<database>-<stamp>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version {
    /// Whose version it is.
    pub database: DatabaseId,
    /// Which one.
    pub stamp: Stamp,
}

impl Version {
    const ASCII_LEN: usize = 16 + 1 + Stamp::HEX_LEN;

    /// What `Display` writes, without its machinery: every answer shows it.
    #[must_use]
    pub fn ascii(self) -> [u8; Self::ASCII_LEN] {
        let mut text = [b'-'; Self::ASCII_LEN];
        text[..16].copy_from_slice(&hex(self.database.0));
        text[17..25].copy_from_slice(&hex_of_half(self.stamp.timeline));
        text[25..].copy_from_slice(&hex(self.stamp.seq));
        text
    }

    /// Whether whoever knows this version has seen `asked`: the same history, as far or farther.
    #[must_use]
    pub fn reaches(self, asked: Self) -> bool {
        self.database == asked.database
            && self.stamp.timeline == asked.stamp.timeline
            && self.stamp >= asked.stamp
    }

    /// The version that an answer of `stamp` shows, when it is valid by all of this version.
    #[must_use]
    pub fn shown_by(self, stamp: Stamp) -> Self {
        Self {
            stamp: self.stamp.max(stamp),
            ..self
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&self.ascii()))
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "must be a version that this service gave out".to_owned();
        let (database, stamp) = text.split_once('-').ok_or_else(wrong)?;
        if database.len() != 16 || !database.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self {
            database: DatabaseId(u64::from_str_radix(database, 16).map_err(|_| wrong())?),
            stamp: stamp.parse().map_err(|_| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_order_as_their_text_does() {
        let stamps = [
            Stamp {
                timeline: 1,
                seq: u64::MAX,
            },
            Stamp {
                timeline: 2,
                seq: 0,
            },
            Stamp {
                timeline: 2,
                seq: 1 << 53,
            },
            Stamp {
                timeline: 2,
                seq: (1 << 53) + 1,
            },
        ];
        assert!(stamps.is_sorted());
        assert!(stamps.map(|stamp| stamp.to_string()).is_sorted());
    }

    #[test]
    fn a_version_reads_back_as_it_is_shown() {
        let version = Version {
            database: DatabaseId(7),
            stamp: Stamp {
                timeline: 3,
                seq: 42,
            },
        };
        assert_eq!(version.to_string().parse(), Ok(version));
    }

    #[test]
    fn a_version_is_shown_in_lower_case_hexadecimal_digits() {
        let version = Version {
            database: DatabaseId(0x0123_4567_89ab_cdef),
            stamp: Stamp {
                timeline: 0xa,
                seq: 0xf09,
            },
        };
        assert_eq!(
            version.to_string(),
            "0123456789abcdef-0000000a0000000000000f09"
        );
    }

    #[test]
    fn text_that_is_no_version_is_refused() {
        for text in ["", "-", "7-2a", "000000000000000g-00000003000000000000002a"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
