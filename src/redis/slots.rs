//! The slot range that a key lies in: a cluster fails by shards, and a shard has ranges of slots.
/// A sixteenth of a cluster's slots. Shards are cut elsewhere, but most of a shard is whole ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange(usize);

const SLOTS: usize = 16_384;
const RANGES: usize = 16;

impl SlotRange {
    /// How many there are.
    pub(super) const fn count(is_cluster: bool) -> usize {
        if is_cluster { RANGES } else { 1 }
    }

    pub(super) fn all(count: usize) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// The one of `count` ranges that has `key`.
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

    /// As `CLUSTER KEYSLOT` of Redis 7 returns them.
    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        let slots = ["123456789", "foo", "{foo}:bar", "a{foo}{bar}", "{}foo", ""].map(slot);
        assert_eq!(slots, [12_739, 12_182, 12_182, 12_182, 9_500, 0]);
    }

    #[test]
    fn one_server_is_one_range_and_a_cluster_has_sixteen() {
        assert_eq!(
            SlotRange::of("123456789", SlotRange::count(false)),
            SlotRange(0)
        );
        assert_eq!(
            SlotRange::of("123456789", SlotRange::count(true)),
            SlotRange(12)
        );
    }
}
