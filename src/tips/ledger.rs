//! What one replica spent of a day's money, what it may spend, and what it last heard of the others.
use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// What was granted and not spent is given back when no order was made for so long.
const IDLE: Duration = Duration::from_mins(1);
/// A replica that has spent anything tells every two seconds, and looks for a lost Redis every five; one that says nothing
/// for so long is gone.
const GONE: Duration = Duration::from_secs(8);

/// The accounts of one replica. A new day begins a new page; what belongs to the one before is forgotten, and so is
/// what comes back of it.
pub(super) struct Ledger {
    page: Arc<Mutex<DayLedger>>,
    settled: Arc<Notify>,
}

#[derive(Debug, Default)]
struct DayLedger {
    day: i64,
    own: Standing,
    /// The number of open reservations.
    requests: u64,
    reserved_at: Option<Instant>,
    /// What Redis was last told.
    told: Standing,
    others: BTreeMap<String, Other>,
    heard_at: Option<Instant>,
    /// Redis was asked and did not answer, so it may have granted more than is known here.
    is_unanswered: bool,
}

/// Another replica.
#[derive(Clone, Copy, Debug)]
struct Other {
    standing: Standing,
    /// When its totals last changed. After this replica lost contact itself: no earlier than contact came back.
    told_at: Instant,
}

/// Where a replica stands, in millionths of a US dollar since the day began. Later words have higher versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    version: u64,
    /// What ended orders cost. Replicas of version 0.1 may tell less than zero.
    settled: i64,
    /// The same, and the most that orders under way may cost.
    taken: i64,
    /// The highest `taken` that Redis allows.
    granted: i64,
}

/// What Redis is told.
pub(super) struct Message {
    pub(super) standing: Standing,
    /// As they were last heard of, for a Redis that forgot them.
    pub(super) others: Vec<(String, Standing)>,
}

/// Money that was taken for one order. Dropped without a word it is given back.
#[derive(Debug)]
#[must_use]
pub(super) struct Reserve {
    page: Arc<Mutex<DayLedger>>,
    settled: Arc<Notify>,
    day: i64,
    amount: i64,
    /// What it comes to.
    cost: i64,
}

impl Ledger {
    /// `settled` is told whenever an order ends.
    pub(super) fn new(settled: Arc<Notify>) -> Self {
        Self {
            page: Arc::default(),
            settled,
        }
    }

    /// Takes `amount` where that is within `most`, or for `None` within what was granted.
    pub(super) fn take(&self, day: i64, amount: u64, most: Option<u64>) -> Option<Reserve> {
        let (amount, mut page) = (signed(amount), self.page(day));
        let most = most.map_or(page.own.granted, signed);
        let taken = page.own.taken.saturating_add(amount);
        if taken > most {
            return None;
        }
        page.own.taken = taken;
        page.requests += 1;
        page.reserved_at = Some(Instant::now());
        Some(Reserve {
            page: Arc::clone(&self.page),
            settled: Arc::clone(&self.settled),
            day,
            amount,
            cost: 0,
        })
    }

    /// Whether `amount` can be taken of what was granted.
    pub(super) fn has(&self, day: i64, amount: u64) -> bool {
        let own = self.page(day).own;
        own.taken.saturating_add(signed(amount)) <= own.granted
    }

    /// Returns the unused grant.
    pub(super) fn give_back(&self, day: i64) {
        let mut page = self.page(day);
        page.own.granted = page.own.granted.min(page.own.taken);
    }

    /// The same, where no order was made for a while.
    pub(super) fn give_back_if_idle(&self, day: i64) {
        let reserved_at = self.page(day).reserved_at;
        if reserved_at.is_none_or(|at| at.elapsed() >= IDLE) {
            self.give_back(day);
        }
    }

    /// Whether orders are under way.
    pub(super) fn has_orders(&self) -> bool {
        lock(&self.page).requests > 0
    }

    /// Whether Redis does not know where this replica stands.
    pub(super) fn is_news(&self, day: i64) -> bool {
        let page = self.page(day);
        let told = Standing {
            version: page.own.version,
            ..page.told
        };
        page.is_unanswered || page.own != told
    }

    /// What was spent or taken here.
    pub(super) fn taken_here(&self, day: i64) -> i64 {
        self.page(day).own.taken
    }

    /// What the fleet has spent or taken, as far as is known here.
    pub(super) fn taken_by_all(&self, day: i64) -> u64 {
        let page = self.page(day);
        page.sum(page.own.taken, |other| other.standing.taken)
    }

    /// What ended orders of the fleet cost, as far as is known here, and all that replicas had that are gone: nobody
    /// gives it back.
    pub(super) fn spent_by_all(&self, day: i64) -> u64 {
        let page = self.page(day);
        let spent = |other: &Other| match other.told_at.elapsed() {
            silence if silence < GONE => other.standing.settled,
            _ => other.standing.granted.max(other.standing.taken),
        };
        page.sum(page.own.settled, spent)
    }

    /// What Redis is to be told next.
    pub(super) fn message(&self, day: i64) -> Message {
        let mut page = self.page(day);
        page.own.version += 1;
        page.is_unanswered = true;
        let others = page.others.iter();
        Message {
            standing: page.own,
            others: others
                .map(|(name, other)| (name.clone(), other.standing))
                .collect(),
        }
    }

    /// Takes in what Redis answered to `told`: what is `granted` by now, and where the others stand.
    pub(super) fn hear(
        &self,
        day: i64,
        told: Standing,
        granted: Option<u64>,
        others: Vec<(String, String)>,
    ) {
        let mut page = self.page(day);
        // What was granted for the day before is not this day's.
        if page.day != day {
            return;
        }
        let now = Instant::now();
        let was_deaf = page.heard_at.is_none_or(|at| now - at > GONE / 2);
        page.heard_at = Some(now);
        page.is_unanswered = false;
        for (name, standing) in others {
            let Ok(standing) = standing.parse::<Standing>() else {
                continue;
            };
            let known = page.others.get(&name);
            let known = known.filter(|known| known.standing == standing && !was_deaf);
            let told_at = known.map_or(now, |known| known.told_at);
            page.others.insert(name, Other { standing, told_at });
        }
        if let Some(granted) = granted {
            let granted = signed(granted);
            page.told = Standing { granted, ..told };
            // A grant that was returned meanwhile is reported with the next message.
            let more = granted.saturating_sub(told.granted);
            page.own.granted = page.own.granted.saturating_add(more);
        }
    }

    /// The page of `day`; the first word of a new day turns it.
    fn page(&self, day: i64) -> MutexGuard<'_, DayLedger> {
        let mut page = lock(&self.page);
        if page.day < day {
            *page = DayLedger {
                day,
                ..DayLedger::default()
            };
        }
        page
    }
}

impl DayLedger {
    fn sum(&self, own: i64, figure: impl Fn(&Other) -> i64) -> u64 {
        let sum = self
            .others
            .values()
            .map(figure)
            .fold(own, i64::saturating_add);
        u64::try_from(sum).unwrap_or(0)
    }
}

impl Reserve {
    /// The order cost so much.
    pub(super) fn settle(mut self, cost: u64) {
        self.cost = signed(cost);
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let mut page = lock(&self.page);
        if page.day == self.day {
            page.requests = page.requests.saturating_sub(1);
            let left = self.amount.saturating_sub(self.cost);
            let own = &mut page.own;
            own.settled = own.settled.saturating_add(self.cost);
            own.taken = own.taken.saturating_sub(left);
            // Other replicas may need it; it is theirs when it is told.
            own.granted = own.granted.saturating_sub(left.max(0));
        }
        drop(page);
        self.settled.notify_waiters();
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            settled,
            taken,
            granted,
        } = self;
        write!(f, "{version} {settled} {taken} {granted}")
    }
}

impl FromStr for Standing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ').map(str::parse::<i64>);
        let mut word = || words.next().and_then(Result::ok).ok_or(());
        let version = u64::try_from(word()?).map_err(|_| ())?;
        Ok(Self {
            version,
            settled: word()?,
            taken: word()?,
            granted: word()?,
        })
    }
}

fn lock(page: &Mutex<DayLedger>) -> MutexGuard<'_, DayLedger> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn what_is_granted_after_midnight_for_the_day_before_is_not_this_days() {
        let ledger = Ledger::new(Arc::default());
        let told = ledger.message(1).standing;
        assert!(ledger.take(2, 1, None).is_none());
        ledger.hear(1, told, Some(100), vec![]);
        assert!(ledger.take(2, 1, None).is_none());
        let told = ledger.message(2).standing;
        ledger.hear(2, told, Some(100), vec![]);
        assert!(ledger.take(2, 100, None).is_some());
    }

    #[test]
    fn what_redis_may_have_granted_to_a_cancelled_question_is_told_again() {
        let ledger = Ledger::new(Arc::default());
        assert!(!ledger.is_news(1));
        // Its answer is never heard, because whoever asked was cancelled.
        ledger.message(1);
        assert!(ledger.is_news(1));
        ledger.hear(1, ledger.message(1).standing, Some(0), vec![]);
        assert!(!ledger.is_news(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_replica_has_that_says_nothing_any_more_counts_as_spent() {
        let ledger = Ledger::new(Arc::default());
        let hear = |standing: &str| {
            let other = vec![("b".to_owned(), standing.to_owned())];
            ledger.hear(1, ledger.message(1).standing, None, other);
            ledger.spent_by_all(1)
        };
        let step = GONE / 4;
        assert_eq!(hear("1 10 40 60"), 10);
        for version in 2..8 {
            advance(step).await;
            assert_eq!(hear(&format!("{version} 10 40 60")), 10);
        }
        for _ in 1..4 {
            advance(step).await;
            assert_eq!(hear("7 10 40 60"), 10);
        }
        advance(step).await;
        assert_eq!(hear("7 10 40 60"), 60);
        // What it said meanwhile may be on its way.
        advance(GONE).await;
        assert_eq!(hear("7 10 40 60"), 10);
    }
}
