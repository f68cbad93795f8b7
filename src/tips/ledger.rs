//! One replica's totals of a day's budget (spent, reserved and granted), and the last known totals of the other replicas.
use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

/// How long no request may have been reserved until an unused grant is given back.
const IDLE: Duration = Duration::from_mins(1);
/// How long a replica may not have reported until it counts as gone. A replica that has spent anything reports every two
/// seconds, and probes a lost Redis every five.
const GONE: Duration = Duration::from_secs(8);

/// The budget of one replica. A new day begins with a new ledger; the day before is forgotten, and so is
/// what its requests give back.
pub(super) struct BudgetLedger {
    day_ledger: Arc<Mutex<DayLedger>>,
    settled: Arc<Notify>,
}

#[derive(Debug, Default)]
struct DayLedger {
    day: i64,
    own: Totals,
    /// The number of open reservations.
    requests: u64,
    reserved_at: Option<Instant>,
    /// What Redis last confirmed.
    confirmed: Totals,
    others: BTreeMap<String, OtherReplica>,
    answered_at: Option<Instant>,
    /// A report has no answer yet, so Redis may have granted more than is known here.
    is_unanswered: bool,
}

/// Another replica.
#[derive(Clone, Copy, Debug)]
struct OtherReplica {
    totals: Totals,
    /// When its totals last changed. After this replica lost contact itself: no earlier than contact came back.
    changed_at: Instant,
}

/// The totals of a replica, in millionths of a US dollar since the day began. Later totals have higher versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    version: u64,
    /// The cost of requests that ended. Replicas of version 0.1 may report less than zero.
    settled: i64,
    /// The same, and the most that requests in progress may cost.
    taken: i64,
    /// The highest `taken` that Redis allows.
    granted: i64,
}

/// What a replica reports to Redis.
pub(super) struct SpendingReport {
    pub(super) totals: Totals,
    /// The last known totals of the other replicas, for a Redis that lost them.
    pub(super) others: Vec<(String, Totals)>,
}

/// Money that is reserved for one request. Dropped without [`BudgetReservation::settle`] it is given back.
#[derive(Debug)]
#[must_use]
pub(super) struct BudgetReservation {
    day_ledger: Arc<Mutex<DayLedger>>,
    settled: Arc<Notify>,
    day: i64,
    amount: i64,
    /// What the request cost.
    cost: i64,
}

impl BudgetLedger {
    /// `settled` is notified whenever a request ends.
    pub(super) fn new(settled: Arc<Notify>) -> Self {
        Self {
            day_ledger: Arc::default(),
            settled,
        }
    }

    /// Reserves `amount` where the total is then within `most`, or for `None` within the grant.
    pub(super) fn take(
        &self,
        day: i64,
        amount: u64,
        most: Option<u64>,
    ) -> Option<BudgetReservation> {
        let (amount, mut ledger) = (signed(amount), self.ledger_of(day));
        let most = most.map_or(ledger.own.granted, signed);
        let taken = ledger.own.taken.saturating_add(amount);
        if taken > most {
            return None;
        }
        ledger.own.taken = taken;
        ledger.requests += 1;
        ledger.reserved_at = Some(Instant::now());
        Some(BudgetReservation {
            day_ledger: Arc::clone(&self.day_ledger),
            settled: Arc::clone(&self.settled),
            day,
            amount,
            cost: 0,
        })
    }

    /// Whether `amount` fits into the grant.
    pub(super) fn has(&self, day: i64, amount: u64) -> bool {
        let own = self.ledger_of(day).own;
        own.taken.saturating_add(signed(amount)) <= own.granted
    }

    /// Returns the unused grant.
    pub(super) fn give_back(&self, day: i64) {
        let mut ledger = self.ledger_of(day);
        ledger.own.granted = ledger.own.granted.min(ledger.own.taken);
    }

    /// The same, where no request was reserved for a while.
    pub(super) fn give_back_if_idle(&self, day: i64) {
        let reserved_at = self.ledger_of(day).reserved_at;
        if reserved_at.is_none_or(|at| at.elapsed() >= IDLE) {
            self.give_back(day);
        }
    }

    /// Whether requests are in progress.
    pub(super) fn has_requests(&self) -> bool {
        self.day_ledger.lock().requests > 0
    }

    /// Whether Redis has answered a report of this day.
    pub(super) fn was_answered(&self, day: i64) -> bool {
        self.ledger_of(day).answered_at.is_some()
    }

    /// Whether Redis does not know the totals of this replica.
    pub(super) fn has_unreported(&self, day: i64) -> bool {
        let ledger = self.ledger_of(day);
        let confirmed = Totals {
            version: ledger.own.version,
            ..ledger.confirmed
        };
        ledger.is_unanswered || ledger.own != confirmed
    }

    /// What was spent or reserved here.
    pub(super) fn taken_here(&self, day: i64) -> i64 {
        self.ledger_of(day).own.taken
    }

    /// What the fleet has spent or reserved, as far as is known here.
    pub(super) fn taken_by_all(&self, day: i64) -> u64 {
        let ledger = self.ledger_of(day);
        ledger.sum(ledger.own.taken, |other| other.totals.taken)
    }

    /// What ended requests of the fleet cost, as far as is known here, and all grants of replicas that are gone: they
    /// give nothing back.
    pub(super) fn spent_by_all(&self, day: i64) -> u64 {
        let ledger = self.ledger_of(day);
        let spent = |other: &OtherReplica| match other.changed_at.elapsed() {
            silence if silence < GONE => other.totals.settled,
            _ => other.totals.granted.max(other.totals.taken),
        };
        ledger.sum(ledger.own.settled, spent)
    }

    /// What this replica has taken, and what Redis granted to the others, as far as is known here.
    pub(super) fn granted_to_all(&self, day: i64) -> u64 {
        let ledger = self.ledger_of(day);
        ledger.sum(ledger.own.taken, |other| other.totals.granted.max(0))
    }

    /// The next report to Redis.
    pub(super) fn report(&self, day: i64) -> SpendingReport {
        let mut ledger = self.ledger_of(day);
        ledger.own.version += 1;
        ledger.is_unanswered = true;
        let others = ledger.others.iter();
        SpendingReport {
            totals: ledger.own,
            others: others
                .map(|(name, other)| (name.clone(), other.totals))
                .collect(),
        }
    }

    /// Takes in what Redis answered to `reported`: what is `granted` by now, and the totals of the other replicas.
    pub(super) fn apply_answer(
        &self,
        day: i64,
        reported: Totals,
        granted: Option<u64>,
        others: Vec<(String, String)>,
    ) {
        let mut ledger = self.ledger_of(day);
        // What was granted for the day before is not this day's.
        if ledger.day != day {
            return;
        }
        let now = Instant::now();
        let was_unreachable = ledger.answered_at.is_none_or(|at| now - at > GONE / 2);
        ledger.answered_at = Some(now);
        ledger.is_unanswered = false;
        for (name, totals) in others {
            let Ok(totals) = totals.parse::<Totals>() else {
                continue;
            };
            let known = ledger.others.get(&name);
            let known = known.filter(|known| known.totals == totals && !was_unreachable);
            let changed_at = known.map_or(now, |known| known.changed_at);
            ledger
                .others
                .insert(name, OtherReplica { totals, changed_at });
        }
        if let Some(granted) = granted {
            let granted = signed(granted);
            ledger.confirmed = Totals {
                granted,
                ..reported
            };
            // A grant that was given back meanwhile is reported next time.
            let more = granted.saturating_sub(reported.granted);
            ledger.own.granted = ledger.own.granted.saturating_add(more);
        }
    }

    /// The ledger of `day`; the first use on a new day replaces it.
    fn ledger_of(&self, day: i64) -> MutexGuard<'_, DayLedger> {
        let mut ledger = self.day_ledger.lock();
        if ledger.day < day {
            *ledger = DayLedger {
                day,
                ..DayLedger::default()
            };
        }
        ledger
    }
}

impl DayLedger {
    fn sum(&self, own: i64, figure: impl Fn(&OtherReplica) -> i64) -> u64 {
        let sum = self
            .others
            .values()
            .map(figure)
            .fold(own, i64::saturating_add);
        u64::try_from(sum).unwrap_or(0)
    }
}

impl BudgetReservation {
    /// Ends the reservation: the request cost `cost`.
    pub(super) fn settle(mut self, cost: u64) {
        self.cost = signed(cost);
    }
}

impl Drop for BudgetReservation {
    fn drop(&mut self) {
        let mut ledger = self.day_ledger.lock();
        if ledger.day == self.day {
            ledger.requests = ledger.requests.saturating_sub(1);
            let left = self.amount.saturating_sub(self.cost);
            let own = &mut ledger.own;
            own.settled = own.settled.saturating_add(self.cost);
            own.taken = own.taken.saturating_sub(left);
            // Other replicas may need the rest; they get it once it is reported.
            own.granted = own.granted.saturating_sub(left.max(0));
        }
        drop(ledger);
        self.settled.notify_waiters();
    }
}

impl fmt::Display for Totals {
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

impl FromStr for Totals {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Result<Vec<i64>, _> = text.split(' ').map(str::parse).collect();
        let numbers = numbers.map_err(|_| ())?;
        let [version, settled, taken, granted] = numbers.try_into().map_err(|_| ())?;
        Ok(Self {
            version: u64::try_from(version).map_err(|_| ())?,
            settled,
            taken,
            granted,
        })
    }
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
        let ledger = BudgetLedger::new(Arc::default());
        let told = ledger.report(1).totals;
        assert!(ledger.take(2, 1, None).is_none());
        ledger.apply_answer(1, told, Some(100), vec![]);
        assert!(ledger.take(2, 1, None).is_none());
        let told = ledger.report(2).totals;
        ledger.apply_answer(2, told, Some(100), vec![]);
        assert!(ledger.take(2, 100, None).is_some());
    }

    #[test]
    fn what_others_were_granted_is_not_to_be_had_even_if_it_is_not_spent() {
        let ledger = BudgetLedger::new(Arc::default());
        let other = vec![("b".to_owned(), "1 5 10 60".to_owned())];
        ledger.apply_answer(1, ledger.report(1).totals, Some(10), other);
        let _reserved = ledger.take(1, 4, None).unwrap();
        assert_eq!((ledger.taken_by_all(1), ledger.granted_to_all(1)), (14, 64));
    }

    #[test]
    fn what_redis_may_have_granted_to_a_cancelled_question_is_told_again() {
        let ledger = BudgetLedger::new(Arc::default());
        assert!(!ledger.has_unreported(1));
        // Its answer is never heard, because whoever asked was cancelled.
        ledger.report(1);
        assert!(ledger.has_unreported(1));
        ledger.apply_answer(1, ledger.report(1).totals, Some(0), vec![]);
        assert!(!ledger.has_unreported(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_replica_has_that_says_nothing_any_more_counts_as_spent() {
        let ledger = BudgetLedger::new(Arc::default());
        let hear = |standing: &str| {
            let other = vec![("b".to_owned(), standing.to_owned())];
            ledger.apply_answer(1, ledger.report(1).totals, None, other);
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
