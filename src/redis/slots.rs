//! Which part of Redis a key lies in: a cluster fails by shards, and a shard has a range of slots.
/// A sixteenth of a cluster's slots. Shards are cut elsewhere, but each has whole parts for the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(usize);

const SLOTS: usize = 16_384;
const PARTS: usize = 16;

impl Part {
    /// How many there are.
    pub(super) const fn count(is_cluster: bool) -> usize {
        if is_cluster { PARTS } else { 1 }
    }

    pub(super) fn all(count: usize) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// The one of so many parts that has `key`.
    pub(super) fn of(key: &str, count: usize) -> Self {
        if count == 1 {
            return Self(0);
        }
        Self(slot(key) * count / SLOTS)
    }

    pub(super) const fn number(self) -> usize {
        self.0
    }
}

/// The slot of a key, as Redis' cluster specification says: CRC16 (XMODEM) of the first hash tag, or of all.
pub(super) fn slot(key: &str) -> usize {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let hashed = tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty());
    let crc = hashed.unwrap_or(key).bytes().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    usize::from(crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `CLUSTER KEYSLOT` of Redis 7 tells them.
    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        let slots = ["123456789", "foo", "{foo}:bar", "a{foo}{bar}", "{}foo", ""].map(slot);
        assert_eq!(slots, [12_739, 12_182, 12_182, 12_182, 9_500, 0]);
    }

    #[test]
    fn one_server_is_one_part_and_a_cluster_has_sixteen() {
        assert_eq!(Part::of("123456789", Part::count(false)), Part(0));
        assert_eq!(Part::of("123456789", Part::count(true)), Part(12));
    }
}
