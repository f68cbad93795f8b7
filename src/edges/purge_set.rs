//! A bounded set of tags to purge. Pure: no I/O and no clock.
use std::collections::HashSet;

use crate::domain::Tag;

/// More tags than this become one, that of everything: a purge must not cost more than what it saves.
const TAGS_MAX: usize = 1_000;

/// Tags that are to be purged; each is in one of both halves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PurgeSet {
    soft: HashSet<Tag>,
    hard: HashSet<Tag>,
}

impl PurgeSet {
    /// Adds `tags`. No edge has an entry that depends on flags, so their tag is left out.
    pub(super) fn add(&mut self, tags: impl IntoIterator<Item = Tag>, hard: bool) {
        for tag in tags.into_iter().filter(|tag| *tag != Tag::Flags) {
            let is_covered =
                |set: &HashSet<Tag>| set.contains(&tag) || set.contains(&Tag::Everything);
            if is_covered(&self.hard) || (!hard && is_covered(&self.soft)) {
                continue;
            }
            match (tag, hard) {
                (Tag::Everything, true) => {
                    self.soft.clear();
                    self.hard.clear();
                }
                (Tag::Everything, false) => self.soft.clear(),
                (Tag::Difficulty(_) | Tag::Challenge(_) | Tag::Flags, _) => {
                    self.soft.remove(&tag);
                }
            }
            let set = if hard { &mut self.hard } else { &mut self.soft };
            set.insert(tag);
        }
        if self.len() > TAGS_MAX {
            let is_hard = !self.hard.is_empty();
            self.add([Tag::Everything], is_hard);
        }
    }

    /// Adds what `other` has.
    pub(super) fn merge(&mut self, other: Self) {
        self.add(other.hard, true);
        self.add(other.soft, false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tags there are.
    pub(super) fn len(&self) -> usize {
        self.soft.len() + self.hard.len()
    }

    /// The tags of each kind of purge that is needed, with whether it is hard; the hard ones first.
    pub(super) fn purges(&self) -> Vec<(Vec<Tag>, bool)> {
        let halves = [(&self.hard, true), (&self.soft, false)].into_iter();
        let halves = halves.filter(|(tags, _)| !tags.is_empty());
        halves
            .map(|(tags, hard)| (tags.iter().copied().collect(), hard))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{ChallengeId, Difficulty};

    const BEGINNER: Tag = Tag::Difficulty(Difficulty::Beginner);

    fn challenge(number: u128) -> Tag {
        Tag::Challenge(ChallengeId::parse(&Uuid::from_u128(number).to_string()).unwrap())
    }

    fn set(adds: &[(&[Tag], bool)]) -> Vec<(Vec<Tag>, bool)> {
        let mut set = PurgeSet::default();
        for (tags, hard) in adds {
            set.add(tags.iter().copied(), *hard);
        }
        set.purges()
    }

    #[test]
    fn a_tag_is_purged_once_and_hard_when_anybody_wants_that() {
        assert_eq!(
            set(&[(&[BEGINNER, BEGINNER], false)]),
            [(vec![BEGINNER], false)]
        );
        for adds in [[false, true], [true, false]] {
            let adds = adds.map(|hard| (&[BEGINNER][..], hard));
            assert_eq!(set(&adds), [(vec![BEGINNER], true)]);
        }
    }

    #[test]
    fn everything_takes_the_place_of_what_it_covers_and_of_no_harder_purge() {
        let everything = &[Tag::Everything][..];
        assert_eq!(
            set(&[
                (&[BEGINNER], true),
                (everything, true),
                (&[challenge(1)], false)
            ]),
            [(vec![Tag::Everything], true)]
        );
        assert_eq!(
            set(&[
                (&[BEGINNER], true),
                (&[challenge(1)], false),
                (everything, false)
            ]),
            [(vec![BEGINNER], true), (vec![Tag::Everything], false)]
        );
    }

    #[test]
    fn too_many_tags_become_that_of_everything() {
        let many: Vec<_> = (1..=1_001).map(challenge).collect();
        assert_eq!(set(&[(&many, false)]), [(vec![Tag::Everything], false)]);
        assert_eq!(set(&[(&many[1..], false)])[0].0.len(), 1_000);
        assert_eq!(
            set(&[(&many[..1], true), (&many, false)]),
            [(vec![Tag::Everything], true)]
        );
    }

    #[test]
    fn what_concerns_flags_alone_purges_nothing() {
        assert!(set(&[(&[Tag::Flags], true)]).is_empty());
    }
}
