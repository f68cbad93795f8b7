//! How many tips a run begins in a minute.
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::time::{MissedTickBehavior, interval};

/// How many tips are begun in a minute: 1 to 600.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipsPerMinute(u16);

impl TipsPerMinute {
    /// For who does not say. The lowest tier of Anthropic's grants 50 orders in a minute
    /// (platform.claude.com/docs/en/api/rate-limits); callers are to have some of them.
    pub const DEFAULT: Self = Self(30);
    /// The most that may be asked for.
    pub const MAX: Self = Self(600);

    /// 0 stands for the default; 1 to 600 are taken as they are.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn parse(number: i32) -> Result<Self, String> {
        match u16::try_from(number) {
            Ok(0) => Ok(Self::DEFAULT),
            Ok(number) if number <= Self::MAX.0 => Ok(Self(number)),
            Ok(_) | Err(_) => Err(format!(
                "must be 1 to {}, or 0 for {}, not {number}",
                Self::MAX.0,
                Self::DEFAULT.0
            )),
        }
    }

    /// The items, no two of them closer than the pace. A time when nobody took one is not made up for.
    pub(super) fn pace<T: Send>(self, items: Vec<T>) -> impl Stream<Item = T> + Send {
        let mut beat = interval(Duration::from_mins(1) / u32::from(self.0));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        stream::unfold(
            (beat, items.into_iter()),
            |(mut beat, mut items)| async move {
                let item = items.next()?;
                beat.tick().await;
                Some((item, (beat, items)))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[test]
    fn a_pace_is_defaulted_or_taken_or_refused_but_never_cut() {
        assert_eq!(TipsPerMinute::parse(0), Ok(TipsPerMinute::DEFAULT));
        assert_eq!(TipsPerMinute::parse(600), Ok(TipsPerMinute::MAX));
        for number in [-1, 601, 70_000] {
            assert!(TipsPerMinute::parse(number).is_err(), "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_comes_at_once_and_a_pause_is_not_made_up_for() {
        let started = Instant::now();
        let pace = TipsPerMinute::parse(60).unwrap();
        let mut items = Box::pin(pace.pace(vec![1, 2, 3, 4]));
        let mut seconds = Vec::new();
        for pause in [0, 0, 10, 0] {
            sleep(Duration::from_secs(pause)).await;
            items.next().await.unwrap();
            seconds.push(started.elapsed().as_secs());
        }
        assert_eq!(seconds, [0, 1, 11, 12]);
    }
}
