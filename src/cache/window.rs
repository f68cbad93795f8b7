use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::HitRatio;

/// How many answers there were, and how many of them came from a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) from_cache: u64,
    pub(super) all: u64,
}

impl Answers {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn ratio_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.saturating_sub(earlier.all);
        let from_cache = self.from_cache.saturating_sub(earlier.from_cache);
        (all > 0).then(|| from_cache as f64 / all as f64)
    }
}

/// The counts of the last fifteen minutes, one every [`Window::BEAT`].
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The newest first.
    past: Mutex<VecDeque<Answers>>,
}

impl Window {
    /// How often counts are to be noted.
    pub(super) const BEAT: Duration = Duration::from_secs(5);
    pub(super) const BEATS_A_MINUTE: usize = 12;
    const LENGTH: usize = 15 * Self::BEATS_A_MINUTE;

    /// Notes the counts as they are now.
    pub(super) fn note(&self, now: Answers) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_front(now);
        past.truncate(Self::LENGTH);
    }

    /// The ratios up to now; of a process younger than a window, since its start.
    pub(super) fn ratios(&self, now: Answers) -> HitRatio {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |minutes: usize| {
            let earlier = past.get(minutes * Self::BEATS_A_MINUTE - 1);
            now.ratio_since(earlier.copied().unwrap_or_default())
        };
        HitRatio {
            since_start: now.ratio_since(Answers::default()),
            last_1m: over(1),
            last_5m: over(5),
            last_15m: over(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_what_was_before_it() {
        let window = Window::default();
        window.note(Answers {
            from_cache: 0,
            all: 100,
        });
        for _ in 0..12 {
            window.note(Answers {
                from_cache: 0,
                all: 100,
            });
        }
        let ratios = window.ratios(Answers {
            from_cache: 100,
            all: 200,
        });
        assert_eq!((ratios.last_1m, ratios.last_5m), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn without_answers_there_is_no_ratio() {
        let window = Window::default();
        let answers = Answers {
            from_cache: 7,
            all: 7,
        };
        for _ in 0..12 {
            window.note(answers);
        }
        let ratios = window.ratios(answers);
        assert_eq!((ratios.last_1m, ratios.since_start), (None, Some(1.0)));
    }
}
