//! The plan of a run: of which challenges it generates tips, how, and how many it starts in a minute.
use std::{collections::HashMap, time::Duration};

use futures_util::stream::{self, Stream};
use tokio::time::{MissedTickBehavior, interval};

use crate::domain::{
    ChallengeId, ChallengeRepository, Difficulty, Error, ListQuery, Locale, PageSize, PersonaName,
    TipSubject,
};

/// The most challenges that one run takes on.
const MOST: u64 = 10_000;

/// Which tips to have written, and how.
#[derive(Clone, Debug)]
pub struct GeneratePlan {
    /// Of which challenges.
    pub scope: Scope,
    /// In which language.
    pub locale: Locale,
    /// In which persona.
    pub persona: PersonaName,
    /// Also those of which a current one is kept.
    pub refresh: bool,
    /// How fast.
    pub pace: TipsPerMinute,
    /// Count what would be done, and generate nothing.
    pub validate_only: bool,
    /// The most that may be spent, in millionths of a US dollar; `None` for the daily budget alone.
    pub budget_micro_usd: Option<u64>,
}

/// Some challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Challenges(Vec<ChallengeId>),
    /// All of a difficulty.
    Difficulty(Difficulty),
    /// All.
    All,
}

impl Scope {
    /// What the tips of the challenges are about, as the database has it now.
    pub(super) async fn subjects(
        &self,
        repository: &dyn ChallengeRepository,
    ) -> Result<Vec<TipSubject>, Error> {
        match self {
            Self::Challenges(ids) => named(repository, ids).await,
            Self::Difficulty(difficulty) => listed(repository, Some(*difficulty)).await,
            Self::All => listed(repository, None).await,
        }
    }
}

async fn named(
    repository: &dyn ChallengeRepository,
    ids: &[ChallengeId],
) -> Result<Vec<TipSubject>, Error> {
    let found = repository.find_many(ids).await?.value;
    let subjects = found.iter().map(TipSubject::from);
    let mut by_id: HashMap<_, _> = subjects
        .map(|subject| (subject.challenge, subject))
        .collect();
    let absent: Vec<_> = ids
        .iter()
        .copied()
        .filter(|id| !by_id.contains_key(id))
        .collect();
    if !absent.is_empty() {
        return Err(Error::no_challenges(absent));
    }
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

async fn listed(
    repository: &dyn ChallengeRepository,
    difficulty: Option<Difficulty>,
) -> Result<Vec<TipSubject>, Error> {
    let mut query = ListQuery::first(difficulty, PageSize::MAX);
    let mut subjects = Vec::new();
    loop {
        let page = repository.list(&query).await?.value;
        if page.total_count > MOST {
            let problem = format!(
                "has {} challenges, and {MOST} are the most",
                page.total_count
            );
            let field = difficulty.map_or("all", |_| "difficulty");
            return Err(Error::invalid(field, problem));
        }
        subjects.extend(page.challenges.iter().map(TipSubject::from));
        query.after = page.next();
        if query.after.is_none() {
            return Ok(subjects);
        }
    }
}

/// How many tips are begun in a minute: 1 to 600.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipsPerMinute(u16);

impl TipsPerMinute {
    /// For who does not say. The lowest tier of Anthropic's grants 50 requests in a minute
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
        let mut ticks = interval(Duration::from_mins(1) / u32::from(self.0));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        stream::unfold(
            (ticks, items.into_iter()),
            |(mut ticks, mut items)| async move {
                let item = items.next()?;
                ticks.tick().await;
                Some((item, (ticks, items)))
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
