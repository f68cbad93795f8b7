use std::sync::{
    Arc, LazyLock, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bb8_redis::redis::{FromRedisValue, Value};

use super::{TipRedis, entries::Names};
use crate::{
    domain::{Clock, UnixMicros},
    redis::Script,
};

static RESERVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/reserve.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/settle.lua");
    Script::writing_when(code, |answer| !matches!(answer, Value::Int(0)))
});

const DAY_MICROS: i64 = 86_400_000_000;
const NO_LIMIT: u64 = u64::MAX;

/// The money of a day (UTC), for the whole fleet, in millionths of a US dollar.
///
/// The most that an attempt may cost is taken before it is made, and what it did not cost is given
/// back afterwards. So the budget is never overspent, whatever becomes of the attempt or of us.
/// While Redis is away a replica spends at most its part of what it knows to be left.
/// Without a limit it is counted too: a limit may be set at any moment of the day.
pub(super) struct Budget {
    redis: Option<Arc<TipRedis>>,
    /// [`NO_LIMIT`] for any amount.
    limit: AtomicU64,
    replicas: u64,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// What this replica knows of a day.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    day: i64,
    /// Spent by the fleet, when Redis last told.
    by_fleet: u64,
    /// Spent here since, and not told to Redis yet.
    here: i64,
}

/// Money that was taken for one attempt.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Reserve {
    micro_usd: u64,
    day: i64,
    is_shared: bool,
}

impl Budget {
    pub(super) fn new(
        redis: Option<Arc<TipRedis>>,
        limit: Option<u64>,
        replicas: u32,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            redis,
            limit: AtomicU64::new(limit.unwrap_or(NO_LIMIT)),
            replicas: replicas.max(1).into(),
            clock,
            known: Mutex::default(),
        }
    }

    /// What may be spent today, and what is known here to be spent or taken; `None` without a limit.
    pub(super) fn state(&self) -> Option<(u64, u64)> {
        let limit = self.limit()?;
        let known = *self.known(self.clock.now().0.div_euclid(DAY_MICROS));
        let spent = known.by_fleet.saturating_add_signed(known.here);
        Some((limit, spent))
    }

    /// Sets what may be spent in a day; what was spent today counts.
    pub(super) fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(NO_LIMIT), Relaxed);
    }

    fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    /// Takes `micro_usd`; `None` when the day has not so much left.
    pub(super) async fn reserve(&self, micro_usd: u64) -> Option<Reserve> {
        let day = self.clock.now().0.div_euclid(DAY_MICROS);
        let reserve = |is_shared| Reserve {
            micro_usd,
            day,
            is_shared,
        };
        let limit = self.limit();
        // What was spent here is told with this question, by nobody else meanwhile.
        let (by_fleet, here) = {
            let mut known = self.known(day);
            (known.by_fleet, std::mem::take(&mut known.here))
        };
        let most = signed(limit.unwrap_or(NO_LIMIT));
        if let Some((is_granted, spent)) = self
            .ask(day, [most, signed(micro_usd), signed(by_fleet), here])
            .await
        {
            self.known(day).by_fleet = spent;
            return (is_granted || limit.is_none()).then(|| reserve(true));
        }
        let mut known = self.known(day);
        known.here = known.here.saturating_add(here);
        let part = limit.map(|limit| limit.saturating_sub(known.by_fleet) / self.replicas);
        let after = known.here.saturating_add(signed(micro_usd));
        part.is_none_or(|part| after <= signed(part)).then(|| {
            known.here = after;
            reserve(false)
        })
    }

    /// Gives back what an attempt did not cost.
    pub(super) async fn settle(&self, reserve: Reserve, cost_micro_usd: u64) {
        let difference = signed(cost_micro_usd) - signed(reserve.micro_usd);
        if difference == 0 {
            return;
        }
        if reserve.is_shared
            && let Some(redis) = &self.redis
        {
            let difference = difference.to_string().into_bytes();
            let key = key(redis, reserve.day);
            let settled = redis.link.eval(&SETTLE, &[key], &[difference]).await;
            if settled.is_some() {
                return;
            }
        }
        let mut known = self.known(reserve.day);
        known.here = known.here.saturating_add(difference);
    }

    /// What was taken at that time, by whichever replica, and is noted elsewhere.
    pub(super) fn taken(&self, micro_usd: u64, at: UnixMicros) -> Reserve {
        Reserve {
            micro_usd,
            day: at.0.div_euclid(DAY_MICROS),
            is_shared: self.redis.is_some(),
        }
    }

    async fn ask(&self, day: i64, numbers: [i64; 4]) -> Option<(bool, u64)> {
        let arguments = numbers.map(|number| number.to_string().into_bytes());
        let redis = self.redis.as_ref()?;
        let key = key(redis, day);
        let answer = redis.link.eval(&RESERVE, &[key], &arguments).await?;
        let (granted, spent) = <(i64, i64)>::from_redis_value(answer).ok()?;
        Some((granted == 1, u64::try_from(spent).unwrap_or(0)))
    }

    /// What is known of `day`; the first word of a new day forgets the old one.
    fn known(&self, day: i64) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.day < day {
            *known = Known {
                day,
                ..Known::default()
            };
        }
        known
    }
}

/// Takes nothing out of a budget that is nobody's, and corrects it; `None` where Redis does not do it.
pub(super) async fn rehearse(redis: &TipRedis, names: &Names) -> Option<()> {
    let keys = [names.one("budget")];
    let [one, nothing] = ["1", "0"].map(|number| number.as_bytes().to_vec());
    let known = [&one, &nothing, &one, &nothing].map(Clone::clone);
    redis.link.eval(&RESERVE, &keys, &known).await?;
    redis.link.eval(&SETTLE, &keys, &[nothing]).await.map(drop)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn key(redis: &TipRedis, day: i64) -> String {
    redis.name(format_args!("budget:{day}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

    use super::*;

    #[derive(Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> UnixMicros {
            UnixMicros(self.0.load(SeqCst))
        }
    }

    /// P15, without Redis.
    #[tokio::test]
    async fn what_is_reserved_is_never_more_than_this_replicas_part() {
        let budget = Budget::new(None, Some(100), 2, Arc::new(Hands::default()));
        let first = budget.reserve(30).await.unwrap();
        assert!(budget.reserve(30).await.is_none());
        budget.settle(first, 5).await;
        assert!(budget.reserve(45).await.is_some());
        assert!(budget.reserve(1).await.is_none());
        assert_eq!(budget.state(), Some((100, 50)));
    }

    #[tokio::test]
    async fn a_new_day_has_its_whole_budget() {
        let clock = Arc::new(Hands::default());
        let budget = Budget::new(None, Some(100), 1, Arc::clone(&clock) as _);
        assert!(budget.reserve(100).await.is_some());
        assert!(budget.reserve(1).await.is_none());
        clock.0.store(DAY_MICROS, SeqCst);
        assert!(budget.reserve(100).await.is_some());
    }

    #[tokio::test]
    async fn another_limit_counts_from_the_next_attempt_on() {
        let budget = Budget::new(None, Some(100), 1, Arc::new(Hands::default()));
        assert!(budget.reserve(80).await.is_some());
        budget.set_limit(Some(60));
        assert!(budget.reserve(1).await.is_none());
        budget.set_limit(Some(90));
        assert!(budget.reserve(10).await.is_some());
        budget.set_limit(None);
        assert!(budget.reserve(1_000).await.is_some());
    }

    #[tokio::test]
    async fn what_was_spent_before_there_was_a_limit_counts() {
        let budget = Budget::new(None, None, 1, Arc::new(Hands::default()));
        let ended = budget.reserve(50).await.unwrap();
        budget.settle(ended, 30).await;
        let under_way = budget.reserve(50).await.unwrap();
        budget.set_limit(Some(100));
        assert_eq!(budget.state(), Some((100, 80)));
        assert!(budget.reserve(21).await.is_none());
        budget.settle(under_way, 40).await;
        assert_eq!(budget.state(), Some((100, 70)));
    }

    #[tokio::test]
    async fn without_a_limit_everything_is_granted() {
        let budget = Budget::new(None, None, 1, Arc::new(Hands::default()));
        assert!(budget.reserve(u64::MAX).await.is_some());
    }
}
