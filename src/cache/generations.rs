//! Until when each generation of what is known of changes was confirmed: a copy that a change made invalid was current
//! that long, however long ago it was read.
use std::collections::VecDeque;

use tokio::time::Instant;

/// So many generations are remembered: at ten polls a second that each bring a change, those of more than a minute.
const REMEMBERED: usize = 1_024;

/// The ends of the last generations.
#[derive(Debug, Default)]
pub(super) struct Generations {
    /// The first one that is remembered.
    first: u64,
    /// When the last poll was sent whose answer left everything valid that was valid in the generation.
    confirmed_at: VecDeque<Option<Instant>>,
}

impl Generations {
    /// `generation` ends, which is the one after that which ended last.
    pub(super) fn end(&mut self, generation: u64, confirmed_at: Option<Instant>) {
        if self.confirmed_at.is_empty() {
            self.first = generation;
        }
        if self.confirmed_at.len() == REMEMBERED {
            self.confirmed_at.pop_front();
            self.first += 1;
        }
        self.confirmed_at.push_back(confirmed_at);
    }

    /// Until when a copy was current that was last found valid in `generation`, if that has ended and is remembered.
    pub(super) fn confirmed_at(&self, generation: u64) -> Option<Instant> {
        let index = usize::try_from(generation.checked_sub(self.first)?).ok()?;
        self.confirmed_at.get(index).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_generations_are_remembered_and_the_others_are_not() {
        let origin = Instant::now();
        let at = |generation: u64| origin + Duration::from_secs(generation);
        let mut generations = Generations::default();
        let last = REMEMBERED as u64 + 10;
        for generation in 1..=last {
            generations.end(generation, Some(at(generation)));
        }
        for generation in [0, 1, 10, last + 1] {
            assert_eq!(generations.confirmed_at(generation), None, "{generation}");
        }
        for generation in [11, last] {
            assert_eq!(generations.confirmed_at(generation), Some(at(generation)));
        }
    }
}
