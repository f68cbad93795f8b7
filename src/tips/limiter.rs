use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use bb8_redis::redis::{FromRedisValue, Value};
use quick_cache::sync::Cache;
use tokio::time::Instant;
use uuid::Uuid;

use super::{TipRedis, key::short_hash, redis_keys::RedisKeys};
use crate::redis::Script;

static LIMIT: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/limit.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(0)))
});
static PAUSE: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/pause.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});
static RESUME: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/resume.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});

/// How many are remembered while Redis is away; a forgotten one starts afresh.
const REMEMBERED: usize = 10_000;

/// Nobody is kept away for longer; `lua/limit.lua` believes in no pause beyond it.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// For so long the other replicas can see that a pause was ended; they look much more often.
const RESUME_TOLD: Duration = Duration::from_mins(1);
/// No name of such a time is longer.
const RESUME_BYTES: usize = 64;

/// How often something may be done: so many a minute, of which some may come together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) per_minute: u32,
    pub(super) burst: u32,
}

/// One thing to take: its name, what is allowed, and how many units are wanted.
pub(super) type Want = (&'static str, Quota, u32);

/// Limits over the whole fleet: the generic cell rate algorithm in Redis, by its clock. While
/// Redis is away every replica keeps its part of them by itself.
pub(super) struct Limiter {
    redis: Option<Arc<TipRedis>>,
    replicas: u32,
    started: Instant,
    local: Cache<String, Arc<Mutex<Cell>>>,
}

/// The limits of one subject, and until when nothing at all may be done.
#[derive(Debug, Default)]
struct Cell {
    /// By the name of the limit: when it would be empty.
    full: Vec<(&'static str, Duration)>,
    paused: Duration,
    /// Names the last time that a pause was ended by hand, as far as it was seen here.
    resumed: Vec<u8>,
}

/// What the shared limits say.
enum Shared {
    Taken,
    Wait(Duration),
    Paused(Duration),
}

/// Takes from a limit and sets a pause that are nobody's; `None` where Redis does not do it.
pub(super) async fn rehearse(redis: &TipRedis, names: &RedisKeys) -> Option<()> {
    let [pause, limit] = [names.one("pause"), names.one("limit")];
    let resumed = names.one("resumed");
    let one = || b"1".to_vec();
    let link = &redis.link;
    link.eval(&LIMIT, &[&pause, &limit], &[one(), one(), one()])
        .await?;
    link.eval(&PAUSE, &[&pause], &[one()]).await?;
    link.eval(&RESUME, &[&pause, &resumed], &[one(), one()])
        .await?;
    link.ask("GETRANGE", &resumed, &[0, RESUME_BYTES])
        .await
        .map(drop)
}

impl Quota {
    /// The time that one unit takes.
    fn unit(self) -> Duration {
        Duration::from_mins(1) / self.per_minute.max(1)
    }

    /// So many times as much.
    pub(super) fn times(self, count: u32) -> Self {
        Self {
            per_minute: self.per_minute.saturating_mul(count),
            burst: self.burst.saturating_mul(count),
        }
    }

    /// More than a burst is never granted, so it is not asked for.
    fn most(self, wanted: u32) -> u32 {
        wanted.min(self.burst.max(1))
    }
}

impl Limiter {
    pub(super) fn new(redis: Option<Arc<TipRedis>>, replicas: u32) -> Self {
        Self {
            redis,
            replicas: replicas.max(1),
            started: Instant::now(),
            local: Cache::new(REMEMBERED),
        }
    }

    /// Takes all of `wants` for `subject` or none; then tells how long to wait.
    pub(super) async fn take(&self, subject: &str, wants: &[Want]) -> Result<(), Duration> {
        // Here first: a pause that was told here holds even when Redis forgot it.
        self.check_pause(subject)?;
        match self.take_shared(subject, wants).await {
            Some(Shared::Taken) => {
                // What was taken there is missing here, should Redis go away next.
                let _ = self.take_here(subject, wants);
                Ok(())
            }
            Some(Shared::Wait(wait)) => Err(wait),
            Some(Shared::Paused(wait)) => {
                self.pause_here(subject, wait);
                Err(wait)
            }
            None => self.take_here(subject, wants),
        }
    }

    /// Keeps the whole fleet away from `subject` for so long.
    pub(super) async fn pause(&self, subject: &str, pause: Duration) {
        let pause = pause.min(LONGEST_PAUSE);
        self.pause_here(subject, pause);
        if let Some(redis) = &self.redis {
            let millis = pause.as_millis().max(1).to_string().into_bytes();
            let key = key(redis, subject, "pause");
            redis.link.eval(&PAUSE, &[key], &[millis]).await;
        }
    }

    fn pause_here(&self, subject: &str, pause: Duration) {
        let until = self.started.elapsed() + pause;
        let cell = self.cell(subject);
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        cell.paused = cell.paused.max(until);
    }

    /// How long nothing may be done yet because of a pause, as far as it is known here.
    pub(super) fn paused(&self, subject: &str) -> Duration {
        self.check_pause(subject).err().unwrap_or_default()
    }

    /// Ends a pause for the whole fleet; tells whether the other replicas will hear of it.
    pub(super) async fn resume(&self, subject: &str) -> bool {
        let name = Uuid::new_v4().simple().to_string().into_bytes();
        self.resume_here(subject, name.clone());
        let Some(redis) = &self.redis else {
            return false;
        };
        let keys = ["pause", "resumed"].map(|name| key(redis, subject, name));
        let told = RESUME_TOLD.as_millis().to_string().into_bytes();
        let resumed = redis.link.eval(&RESUME, &keys, &[name, told]).await;
        resumed.is_some()
    }

    /// Looks whether another replica ended the pause; then it is over here, too.
    pub(super) async fn sees_resume(&self, subject: &str) -> bool {
        let Some(redis) = &self.redis else {
            return false;
        };
        let (name, range) = (key(redis, subject, "resumed"), [0, RESUME_BYTES]);
        let answer = redis.link.ask("GETRANGE", &name, &range).await;
        let name = answer.and_then(|answer| Vec::<u8>::from_redis_value(answer).ok());
        match name {
            Some(name) if !name.is_empty() => self.resume_here(subject, name),
            Some(_) | None => false,
        }
    }

    /// False when it was done before.
    fn resume_here(&self, subject: &str, name: Vec<u8>) -> bool {
        let cell = self.cell(subject);
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.resumed == name {
            return false;
        }
        (cell.resumed, cell.paused) = (name, Duration::ZERO);
        true
    }

    async fn take_shared(&self, subject: &str, wants: &[Want]) -> Option<Shared> {
        let redis = self.redis.as_ref()?;
        let names = wants.iter().map(|(name, ..)| *name);
        let keys: Vec<_> = std::iter::once("pause").chain(names).collect();
        let keys: Vec<_> = keys
            .into_iter()
            .map(|name| key(redis, subject, name))
            .collect();
        let arguments = wants.iter().flat_map(|(_, quota, wanted)| {
            let unit = quota.unit().as_micros();
            let numbers = [unit, quota.burst.max(1).into(), quota.most(*wanted).into()];
            numbers.map(|number| number.to_string().into_bytes())
        });
        let arguments: Vec<_> = arguments.collect();
        let answer: Value = redis.link.eval(&LIMIT, &keys, &arguments).await?;
        let wait = i64::from_redis_value(answer).ok()?;
        let time = Duration::from_micros(wait.unsigned_abs());
        Some(match wait {
            0 => Shared::Taken,
            1.. => Shared::Wait(time),
            ..0 => Shared::Paused(time),
        })
    }

    pub(super) fn take_here(&self, subject: &str, wants: &[Want]) -> Result<(), Duration> {
        let now = self.started.elapsed();
        let cell = self.cell(subject);
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = Vec::with_capacity(wants.len());
        let mut wait = Duration::ZERO;
        for (name, quota, wanted) in wants {
            let unit = quota.unit() * self.replicas;
            let burst = (quota.burst / self.replicas).max(1);
            let full = cell.full.iter_mut().find(|(other, _)| other == name);
            let most = now + unit * burst;
            let taken = full.map_or(now, |(_, full)| {
                // A lower limit may have left more than a burst of this one.
                *full = (*full).clamp(now, most);
                *full
            });
            let full = taken + unit * (*wanted).min(burst);
            wait = wait.max(full.saturating_sub(most));
            filled.push((*name, full));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        cell.full = filled;
        Ok(())
    }

    fn check_pause(&self, subject: &str) -> Result<(), Duration> {
        let Some(cell) = self.local.get(subject) else {
            return Ok(());
        };
        let paused = cell.lock().unwrap_or_else(PoisonError::into_inner).paused;
        match paused.checked_sub(self.started.elapsed()) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => Ok(()),
        }
    }

    fn cell(&self, subject: &str) -> Arc<Mutex<Cell>> {
        let made: Result<_, std::convert::Infallible> = self
            .local
            .get_or_insert_with(subject, || Ok(Arc::default()));
        match made {
            Ok(cell) => cell,
        }
    }
}

/// The subject goes in as a hash: it may be a caller's name, and hold anything.
fn key(redis: &TipRedis, subject: &str, name: &str) -> String {
    let tag = u64::from_be_bytes(short_hash(subject));
    redis.name(format_args!("limit:{{{tag:016x}}}:{name}"))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SIX: Quota = Quota {
        per_minute: 6,
        burst: 2,
    };

    async fn takes(limiter: &Limiter, subject: &str, times: usize) -> usize {
        let mut taken = 0;
        for _ in 0..times {
            taken += usize::from(limiter.take(subject, &[("calls", SIX, 1)]).await.is_ok());
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_and_then_one_for_each_interval() {
        let limiter = Limiter::new(None, 1);
        assert_eq!(takes(&limiter, "ann", 5).await, 2);
        let wait = limiter.take("ann", &[("calls", SIX, 1)]).await.unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
        advance(wait).await;
        assert_eq!(takes(&limiter, "ann", 5).await, 1);
        assert_eq!(takes(&limiter, "ben", 5).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_is_alone_takes_its_part_of_the_limit() {
        let limiter = Limiter::new(None, 2);
        assert_eq!(takes(&limiter, "ann", 5).await, 1);
        advance(Duration::from_secs(19)).await;
        assert_eq!(takes(&limiter, "ann", 5).await, 0);
        advance(Duration::from_secs(1)).await;
        assert_eq!(takes(&limiter, "ann", 5).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_lower_limit_a_higher_one_waits_for_one_unit_of_its_own() {
        let limiter = Limiter::new(None, 1);
        let low = Quota {
            per_minute: 1,
            burst: 1,
        };
        assert!(limiter.take("p", &[("calls", low, 1)]).await.is_ok());
        let wait = limiter.take("p", &[("calls", SIX, 1)]).await.unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
        advance(wait).await;
        assert!(limiter.take("p", &[("calls", SIX, 1)]).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_limit_refuses_is_not_taken_from_the_other() {
        let limiter = Limiter::new(None, 1);
        let both = [("calls", SIX, 1), ("tokens", SIX, 2)];
        assert!(limiter.take("p", &both).await.is_ok());
        assert!(limiter.take("p", &both).await.is_err());
        assert!(limiter.take("p", &[("calls", SIX, 1)]).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_its_time_and_a_shorter_one_does_not_shorten_it() {
        let limiter = Limiter::new(None, 1);
        limiter.pause("p", Duration::from_secs(30)).await;
        limiter.pause("p", Duration::from_secs(5)).await;
        let wait = limiter.take("p", &[]).await.unwrap_err();
        assert_eq!(wait, Duration::from_secs(30));
        advance(wait).await;
        assert!(limiter.take("p", &[]).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_ended_by_hand_is_over() {
        let limiter = Limiter::new(None, 1);
        limiter.pause("p", Duration::from_hours(3)).await;
        assert_eq!(limiter.paused("p"), Duration::from_hours(3));
        assert!(!limiter.resume("p").await, "there is nobody else");
        assert_eq!(limiter.paused("p"), Duration::ZERO);
        assert!(limiter.take("p", &[]).await.is_ok());
    }
}
