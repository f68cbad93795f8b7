//! Grants money for provider requests within one day's (UTC) limit for the whole fleet, in millionths of a US dollar.
//!
//! Guarantee: the fleet never spends more than the limit, except if Redis loses its data while a replica that holds a
//! grant cannot reach it for 8 s. A replica spends only what Redis granted it. It reports totals, not deltas, each report
//! with a higher version than the one before, so late, repeated and reordered reports are harmless. If Redis loses its
//! data, each replica reports all totals that it knows, and Redis grants nothing for 8 s, so that all replicas can report.
//!
//! | Redis | What a request gets while the day has a limit |
//! |---|---|
//! | not configured | up to `limit / replicas` on each replica |
//! | configured, never answered | nothing: after 2 s `BudgetError::Unavailable`, and readers get fallback texts |
//! | does not answer now | what was granted before; a request that needs more gives up the rest, then as above |
//! | lost the day's totals, or has none after the day's first minute | what was granted before; no more for 8 s, while replicas send what they know: it waits 10 s, then `Restoring` |
//!
//! Without a limit every request is granted.
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bb8_redis::redis::{FromRedisValue, Value};
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    TipRedis,
    ledger::{BudgetLedger, BudgetReservation},
    tip_redis::RedisKeys,
};
use crate::{domain::Clock, redis::Script};

static SPEND: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/spend.lua");
    Script::writing_when(code, |answer| granted(answer).is_some())
});

const DAY_MICROS: i64 = 86_400_000_000;
const NO_LIMIT: u64 = u64::MAX;
/// How long a request waits for money that requests in progress reserve.
const GRANT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for money while Redis does not answer.
const UNANSWERED: Duration = Duration::from_secs(2);
/// A request that waits asks again after this, or when a request of this replica ends.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Spending is reported to Redis at this interval.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Keeps requests within the day's budget. The most that one may cost is reserved before it is sent, and the rest is
/// given back, so the budget is never overspent, whatever becomes of the request, of Redis, or of a replica: one that dies
/// leaves what it had reserved, and at most a sixteenth of its part beside it, unspent. Without a limit all is counted too,
/// because one may be set at any moment of the day.
pub(super) struct Budget {
    redis: Option<Arc<TipRedis>>,
    /// [`NO_LIMIT`] for any amount.
    limit: AtomicU64,
    replicas: u64,
    clock: Arc<dyn Clock>,
    /// Names this replica in Redis; another one after each start.
    node: String,
    ledger: BudgetLedger,
    /// Serialises messages to Redis; remembers the last amount refused, and when.
    reporting: Mutex<Option<(u64, Instant)>>,
    /// Notified when a request ends.
    settled: Arc<Notify>,
}

/// Why a request gets no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BudgetError {
    /// The day's limit is spent.
    Spent,
    /// The rest is reserved by requests in progress, or granted to other replicas.
    Reserved,
    /// Redis lost the totals, and grants nothing until all replicas could send theirs.
    Restoring,
    /// Redis does not answer, and this replica's grant is too small.
    Unavailable,
}

impl Budget {
    pub(super) fn new(
        redis: Option<Arc<TipRedis>>,
        limit: Option<u64>,
        replicas: u32,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let settled = Arc::default();
        Self {
            redis,
            limit: AtomicU64::new(limit.unwrap_or(NO_LIMIT)),
            replicas: replicas.max(1).into(),
            clock,
            node: Uuid::new_v4().simple().to_string(),
            ledger: BudgetLedger::new(Arc::clone(&settled)),
            reporting: Mutex::default(),
            settled,
        }
    }

    /// What may be spent today, and what is known here to be spent or reserved; `None` without a limit.
    pub(super) fn state(&self) -> Option<(u64, u64)> {
        let limit = self.limit()?;
        Some((limit, self.ledger.taken_by_all(self.today())))
    }

    /// Sets what may be spent in a day; what was spent today counts.
    pub(super) fn set_limit(&self, limit: Option<u64>) {
        let limit = limit.unwrap_or(NO_LIMIT);
        if self.limit.swap(limit, Relaxed) != limit {
            // What is left of what was granted was a part of another amount.
            self.ledger.give_back(self.today());
        }
    }

    /// Reserves `micro_usd`, if that much is left of the day's limit.
    pub(super) async fn reserve(&self, micro_usd: u64) -> Result<BudgetReservation, BudgetError> {
        let deadline = Instant::now() + GRANT_TIMEOUT;
        let mut unanswered_since = None;
        loop {
            let settled = self.settled.notified();
            if let Some(reserve) = self.take(micro_usd) {
                return Ok(reserve);
            }
            let is_answered = self.request_grant(micro_usd).await;
            if let Some(reserve) = self.take(micro_usd) {
                return Ok(reserve);
            }
            if is_answered && self.is_spent(micro_usd) {
                return Err(BudgetError::Spent);
            }
            if is_answered {
                unanswered_since = None;
            } else if unanswered_since.get_or_insert_with(Instant::now).elapsed() >= UNANSWERED {
                return Err(BudgetError::Unavailable);
            }
            if deadline <= Instant::now() {
                return Err(self.shortage(micro_usd));
            }
            let _ = timeout(ASK_AGAIN, settled).await;
        }
    }

    /// Reports spending to Redis periodically, and once more at shutdown, when the last request has ended.
    pub(super) async fn report_spending(&self, stop: &CancellationToken) {
        if self.redis.is_none() {
            return;
        }
        loop {
            self.report_if_changed().await;
            let pause = stop.run_until_cancelled(sleep(REPORT_INTERVAL));
            if pause.await.is_none() {
                break;
            }
            self.ledger.give_back_if_idle(self.today());
        }
        let deadline = Instant::now() + REPORT_INTERVAL;
        while self.ledger.has_requests() && Instant::now() < deadline {
            let _ = timeout(ASK_AGAIN, self.settled.notified()).await;
        }
        self.ledger.give_back(self.today());
        self.report_if_changed().await;
    }

    async fn report_if_changed(&self) {
        let day = self.today();
        // Redis grants nothing at once of a day that it does not know, so it hears of one before requests need it.
        let is_new = self.limit().is_some() && !self.ledger.was_answered(day);
        // If it lost its data, only this replica can restore its own totals.
        if is_new || self.ledger.has_unreported(day) || self.ledger.taken_here(day) != 0 {
            self.request_grant(0).await;
        }
    }

    fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    fn today(&self) -> i64 {
        self.clock.now().0.div_euclid(DAY_MICROS)
    }

    fn take(&self, micro_usd: u64) -> Option<BudgetReservation> {
        let most = match (self.limit(), &self.redis) {
            (None, _) => Some(NO_LIMIT),
            // No Redis is configured: each replica may spend its part of the limit.
            (Some(limit), None) => Some(limit / self.replicas),
            (Some(_), Some(_)) => None,
        };
        self.ledger.take(self.today(), micro_usd, most)
    }

    /// Whether `micro_usd` are missing even if requests in progress cost nothing.
    fn is_spent(&self, micro_usd: u64) -> bool {
        let spent = self.ledger.spent_by_all(self.today());
        let limit = self.limit().map(|limit| match &self.redis {
            Some(_) => limit,
            None => limit / self.replicas,
        });
        limit.is_some_and(|limit| spent.saturating_add(micro_usd) > limit)
    }

    /// Why money that is not spent is not to be had now.
    fn shortage(&self, micro_usd: u64) -> BudgetError {
        let limit = self.limit().filter(|_| self.redis.is_some());
        let granted = self.ledger.granted_to_all(self.today());
        match limit {
            Some(limit) if granted.saturating_add(micro_usd) <= limit => BudgetError::Restoring,
            Some(_) | None => BudgetError::Reserved,
        }
    }

    /// Reports this replica's totals to Redis, and requests `micro_usd` more. Returns whether Redis answered, and true
    /// without Redis.
    async fn request_grant(&self, micro_usd: u64) -> bool {
        let Some(redis) = &self.redis else {
            return true;
        };
        let mut denied = self.reporting.lock().await;
        // The request before may have got enough for all, or learnt that there is none.
        let is_denied =
            denied.is_some_and(|(amount, at)| amount <= micro_usd && at.elapsed() < ASK_AGAIN);
        if micro_usd > 0 && (is_denied || self.ledger.has(self.today(), micro_usd)) {
            return true;
        }
        let (day, limit) = (self.today(), self.limit());
        if micro_usd > 0 {
            // What is left of the last grant is too little for this request, and may be enough for another replica's.
            self.ledger.give_back(day);
        }
        let report = self.ledger.report(day);
        let limit = limit.map_or(-1, signed);
        let numbers = [signed(micro_usd), limit, signed(self.replicas)];
        let mut arguments = vec![self.node.clone().into_bytes()];
        arguments.extend([report.totals.to_string().into_bytes()]);
        arguments.extend(numbers.map(|number| number.to_string().into_bytes()));
        arguments.extend(
            report
                .others
                .into_iter()
                .flat_map(|(name, totals)| [name.into_bytes(), totals.to_string().into_bytes()]),
        );
        let key = redis.name(format_args!("money:{day}"));
        let answer = redis.client.eval(&SPEND, &[key], &arguments).await;
        let Some(answer) = answer else {
            return false;
        };
        let others = others(&answer);
        self.ledger
            .apply_answer(day, report.totals, granted(&answer), others);
        if micro_usd > 0 {
            let is_granted = self.ledger.has(day, micro_usd);
            *denied = (!is_granted).then(|| (micro_usd, Instant::now()));
        }
        true
    }
}

/// What this replica may spend by now; `None` when the message came late.
fn granted(answer: &Value) -> Option<u64> {
    if let Value::Array(parts) = answer
        && let Some(Value::Int(granted)) = parts.first()
    {
        return u64::try_from(*granted).ok();
    }
    None
}

/// The totals of the other replicas.
fn others(answer: &Value) -> Vec<(String, String)> {
    let Value::Array(parts) = answer else {
        return Vec::new();
    };
    let text = |value: &Value| String::from_redis_value(value.clone()).ok();
    let pairs = parts.get(1..).unwrap_or_default().chunks_exact(2);
    let pairs = pairs.filter_map(|pair| match pair {
        [name, totals] => Some((text(name)?, text(totals)?)),
        _ => None,
    });
    pairs.collect()
}

/// Health check: runs the script on a throw-away key; `None` if Redis does not take it.
pub(super) async fn probe(redis: &TipRedis, redis_keys: &RedisKeys) -> Option<()> {
    let arguments = ["nobody", "1 0 0 0", "0", "-1", "1"].map(|word| word.as_bytes().to_vec());
    let keys = [redis_keys.one("money")];
    redis.client.eval(&SPEND, &keys, &arguments).await.map(drop)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

    use super::*;
    use crate::domain::UnixMicros;

    #[derive(Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> UnixMicros {
            UnixMicros(self.0.load(SeqCst))
        }
    }

    fn alone(limit: Option<u64>, replicas: u32) -> Budget {
        Budget::new(None, limit, replicas, Arc::new(Hands::default()))
    }

    /// Without Redis.
    #[tokio::test(start_paused = true)]
    async fn what_is_reserved_is_never_more_than_this_replicas_part() {
        let budget = alone(Some(100), 2);
        let first = budget.reserve(30).await.unwrap();
        assert_eq!(budget.reserve(30).await.err(), Some(BudgetError::Reserved));
        first.settle(5);
        let _held = budget.reserve(45).await.unwrap();
        assert_eq!(budget.reserve(46).await.err(), Some(BudgetError::Spent));
        assert_eq!(budget.state(), Some((100, 50)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_reserved_money_gets_it_when_another_request_ends() {
        let budget = alone(Some(100), 1);
        let first = budget.reserve(90).await.unwrap();
        let second = budget.reserve(90);
        let ends = async {
            sleep(Duration::from_secs(3)).await;
            first.settle(9);
        };
        let (second, ()) = tokio::join!(second, ends);
        assert!(second.is_ok());
    }

    #[tokio::test]
    async fn money_reserved_for_a_request_that_is_dropped_is_given_back() {
        let budget = alone(Some(100), 1);
        drop(budget.reserve(100).await.unwrap());
        assert_eq!(budget.state(), Some((100, 0)));
        assert!(budget.reserve(100).await.is_ok());
    }

    #[tokio::test]
    async fn a_new_day_has_its_whole_budget_and_nothing_of_the_day_before() {
        let clock = Arc::new(Hands::default());
        let budget = Budget::new(None, Some(100), 1, Arc::clone(&clock) as _);
        let before = budget.reserve(100).await.unwrap();
        clock.0.store(DAY_MICROS, SeqCst);
        let after = budget.reserve(60).await.unwrap();
        before.settle(0);
        assert_eq!(budget.state(), Some((100, 60)));
        after.settle(60);
    }

    #[tokio::test(start_paused = true)]
    async fn another_limit_counts_from_the_next_attempt_on() {
        let budget = alone(Some(100), 1);
        budget.reserve(80).await.unwrap().settle(80);
        budget.set_limit(Some(60));
        assert!(budget.reserve(1).await.is_err());
        budget.set_limit(Some(90));
        assert!(budget.reserve(10).await.is_ok());
        budget.set_limit(None);
        assert!(budget.reserve(1_000).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_spent_before_there_was_a_limit_counts() {
        let budget = alone(None, 1);
        budget.reserve(50).await.unwrap().settle(30);
        let under_way = budget.reserve(50).await.unwrap();
        budget.set_limit(Some(100));
        assert_eq!(budget.state(), Some((100, 80)));
        assert!(budget.reserve(21).await.is_err());
        under_way.settle(40);
        assert_eq!(budget.state(), Some((100, 70)));
    }

    #[tokio::test]
    async fn without_a_limit_everything_is_granted() {
        assert!(alone(None, 1).reserve(1 << 52).await.is_ok());
    }
}
