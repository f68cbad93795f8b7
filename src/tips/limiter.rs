//! Rate limits over the whole fleet, by the generic cell rate algorithm.
use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bb8_redis::redis::{FromRedisValue, Value};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{TipRedis, hash::short_hash, tip_redis::RedisKeys};
use crate::redis::Script;

static LIMIT: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/limit.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(0)))
});
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/give_back.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});
static PAUSE: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/pause.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});
static RESUME: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/resume.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});

/// How many subjects each replica remembers; a forgotten one starts afresh.
const REMEMBERED: usize = 10_000;

/// No pause is longer; `lua/limit.lua` ignores what lies beyond it.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How long Redis keeps the name of a resume for the other replicas, which poll much more often.
const RESUME_LIFE: Duration = Duration::from_mins(1);
/// No name of a resume is longer.
const RESUME_BYTES: usize = 64;

/// A rate limit: units in a minute, of which some may come together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) per_minute: u32,
    pub(super) burst: u32,
}

/// What is taken from one limit: its name, the quota, and how many units.
pub(super) type Want = (&'static str, Quota, u32);

/// Limits over the whole fleet: the generic cell rate algorithm in Redis, by its clock. While
/// Redis does not answer, each replica keeps its part of them by itself.
pub(super) struct Limiter {
    redis: Option<Arc<TipRedis>>,
    replicas: u32,
    tasks: TaskTracker,
    started: Instant,
    local: Cache<String, Arc<Mutex<LimitCell>>>,
}

/// The limits of one subject, as this replica knows them. Times count from the start of the limiter.
#[derive(Debug, Default)]
struct LimitCell {
    /// By the name of the limit: its theoretical arrival time.
    full: Vec<(&'static str, Duration)>,
    paused: Duration,
    /// Names the last resume by an operator that was seen here.
    resumed: Vec<u8>,
}

/// What was taken from the limits of one subject. Dropped, it is given back.
#[must_use]
pub(super) struct RateReservation {
    limiter: Arc<Limiter>,
    subject: String,
    /// Empty when the units are used.
    wants: Vec<Want>,
}

impl RateReservation {
    /// The units are used, and not given back.
    pub(super) fn keep(mut self) {
        self.wants.clear();
    }
}

impl Drop for RateReservation {
    fn drop(&mut self) {
        if self.wants.is_empty() {
            return;
        }
        let (limiter, subject) = (Arc::clone(&self.limiter), std::mem::take(&mut self.subject));
        let wants = std::mem::take(&mut self.wants);
        limiter.give_back_here(&subject, &wants);
        if limiter.redis.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let tasks = limiter.tasks.clone();
            let give_back = async move { limiter.give_back_shared(&subject, &wants).await };
            tasks.spawn_on(give_back, &runtime);
        }
    }
}

/// The answer of the limits in Redis.
enum SharedLimit {
    Taken,
    Wait(Duration),
    Paused(Duration),
}

/// Health check: runs the scripts on throw-away keys; `None` if Redis does not take one.
pub(super) async fn probe(redis: &TipRedis, names: &RedisKeys) -> Option<()> {
    let [pause, limit] = [names.one("pause"), names.one("limit")];
    let resumed = names.one("resumed");
    let one = || b"1".to_vec();
    let client = &redis.client;
    client
        .eval(&LIMIT, &[&pause, &limit], &[one(), one(), one()])
        .await?;
    client.eval(&GIVE_BACK, &[&limit], &[one(), one()]).await?;
    client.eval(&PAUSE, &[&pause], &[one()]).await?;
    client
        .eval(&RESUME, &[&pause, &resumed], &[one(), one()])
        .await?;
    client
        .read("GETRANGE", &resumed, &[0, RESUME_BYTES])
        .await
        .map(drop)
}

impl Quota {
    /// The time that one unit takes.
    fn unit(self) -> Duration {
        Duration::from_mins(1) / self.per_minute.max(1)
    }

    /// The quota times `count`.
    pub(super) fn times(self, count: u32) -> Self {
        Self {
            per_minute: self.per_minute.saturating_mul(count),
            burst: self.burst.saturating_mul(count),
        }
    }

    /// More than a burst is never granted, so it is not requested.
    fn most(self, wanted: u32) -> u32 {
        wanted.min(self.burst.max(1))
    }
}

impl Limiter {
    /// Requests to Redis that outlive their caller run on `tasks`.
    pub(super) fn new(
        redis: Option<Arc<TipRedis>>,
        replicas: u32,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            redis,
            replicas: replicas.max(1),
            tasks,
            started: Instant::now(),
            local: Cache::new(REMEMBERED),
        })
    }

    /// As [`Self::take`], with a reservation that gives back what is not used. The request to Redis outlives a caller that is
    /// cancelled, so that what Redis granted is given back too.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        subject: &str,
        wants: Vec<Want>,
    ) -> Result<RateReservation, Duration> {
        let (limiter, subject) = (Arc::clone(self), subject.to_owned());
        let taking = self.tasks.spawn(async move {
            limiter.take(&subject, &wants).await?;
            Ok(RateReservation {
                limiter,
                subject,
                wants,
            })
        });
        // Only the end of the process cancels it.
        taking.await.unwrap_or(Err(Duration::from_secs(1)))
    }

    /// Takes all of `wants` for `subject`, or none and returns how long to wait.
    pub(super) async fn take(&self, subject: &str, wants: &[Want]) -> Result<(), Duration> {
        // Here first: a pause that is known here holds even when Redis lost it.
        self.check_pause(subject)?;
        match self.take_shared(subject, wants).await {
            Some(SharedLimit::Taken) => {
                // It is taken here too, in case that Redis does not answer next.
                let _ = self.take_here(subject, wants);
                Ok(())
            }
            Some(SharedLimit::Wait(wait)) => Err(wait),
            Some(SharedLimit::Paused(wait)) => {
                self.pause_here(subject, wait);
                Err(wait)
            }
            None => self.take_here(subject, wants),
        }
    }

    /// Pauses `subject` for the whole fleet.
    pub(super) async fn pause(&self, subject: &str, pause: Duration) {
        let pause = pause.min(LONGEST_PAUSE);
        self.pause_here(subject, pause);
        if let Some(redis) = &self.redis {
            let millis = pause.as_millis().max(1).to_string().into_bytes();
            let key = key(redis, subject, "pause");
            redis.client.eval(&PAUSE, &[key], &[millis]).await;
        }
    }

    fn pause_here(&self, subject: &str, pause: Duration) {
        let until = self.started.elapsed() + pause;
        let cell = self.cell(subject);
        let mut cell = cell.lock();
        cell.paused = cell.paused.max(until);
    }

    /// How long a pause still lasts, as far as it is known here.
    pub(super) fn paused(&self, subject: &str) -> Duration {
        self.check_pause(subject).err().unwrap_or_default()
    }

    /// Ends a pause for the whole fleet; returns whether Redis announces that to the other replicas.
    pub(super) async fn resume(&self, subject: &str) -> bool {
        let name = Uuid::new_v4().simple().to_string().into_bytes();
        self.resume_here(subject, name.clone());
        let Some(redis) = &self.redis else {
            return false;
        };
        let keys = ["pause", "resumed"].map(|name| key(redis, subject, name));
        let life = RESUME_LIFE.as_millis().to_string().into_bytes();
        let resumed = redis.client.eval(&RESUME, &keys, &[name, life]).await;
        resumed.is_some()
    }

    /// Polls whether another replica ended the pause; if so, ends it here.
    pub(super) async fn sees_resume(&self, subject: &str) -> bool {
        let Some(redis) = &self.redis else {
            return false;
        };
        let (name, range) = (key(redis, subject, "resumed"), [0, RESUME_BYTES]);
        let answer = redis.client.read("GETRANGE", &name, &range).await;
        let name = answer.and_then(|answer| Vec::<u8>::from_redis_value(answer).ok());
        match name {
            Some(name) if !name.is_empty() => self.resume_here(subject, name),
            Some(_) | None => false,
        }
    }

    /// False when this resume was seen before.
    fn resume_here(&self, subject: &str, name: Vec<u8>) -> bool {
        let cell = self.cell(subject);
        let mut cell = cell.lock();
        if cell.resumed == name {
            return false;
        }
        (cell.resumed, cell.paused) = (name, Duration::ZERO);
        true
    }

    async fn take_shared(&self, subject: &str, wants: &[Want]) -> Option<SharedLimit> {
        let redis = self.redis.as_ref()?;
        let names = wants.iter().map(|(name, ..)| *name);
        let names = std::iter::once("pause").chain(names);
        let keys: Vec<_> = names.map(|name| key(redis, subject, name)).collect();
        let arguments = wants.iter().flat_map(|(_, quota, wanted)| {
            let unit = quota.unit().as_micros();
            let numbers = [unit, quota.burst.max(1).into(), quota.most(*wanted).into()];
            numbers.map(|number| number.to_string().into_bytes())
        });
        let arguments: Vec<_> = arguments.collect();
        let answer = redis.client.eval(&LIMIT, &keys, &arguments).await?;
        let wait = i64::from_redis_value(answer).ok()?;
        let time = Duration::from_micros(wait.unsigned_abs());
        Some(match wait {
            0 => SharedLimit::Taken,
            1.. => SharedLimit::Wait(time),
            ..0 => SharedLimit::Paused(time),
        })
    }

    pub(super) fn take_here(&self, subject: &str, wants: &[Want]) -> Result<(), Duration> {
        let now = self.started.elapsed();
        let cell = self.cell(subject);
        let mut cell = cell.lock();
        let mut filled = Vec::with_capacity(wants.len());
        let mut wait = Duration::ZERO;
        for (name, quota, wanted) in wants {
            let (unit, burst) = self.part(*quota);
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

    /// This replica's part of a quota: the time that one unit takes, and the burst.
    fn part(&self, quota: Quota) -> (Duration, u32) {
        let burst = (quota.burst / self.replicas).max(1);
        (quota.unit() * self.replicas, burst)
    }

    fn give_back_here(&self, subject: &str, wants: &[Want]) {
        let cell = self.cell(subject);
        let mut cell = cell.lock();
        for (name, full) in &mut cell.full {
            if let Some((_, quota, wanted)) = wants.iter().find(|(other, ..)| other == name) {
                let (unit, burst) = self.part(*quota);
                *full = full.saturating_sub(unit * (*wanted).min(burst));
            }
        }
    }

    async fn give_back_shared(&self, subject: &str, wants: &[Want]) {
        let Some(redis) = &self.redis else {
            return;
        };
        let keys: Vec<_> = wants
            .iter()
            .map(|(name, ..)| key(redis, subject, name))
            .collect();
        let arguments = wants.iter().flat_map(|(_, quota, wanted)| {
            let numbers = [quota.unit().as_micros(), quota.most(*wanted).into()];
            numbers.map(|number| number.to_string().into_bytes())
        });
        let arguments: Vec<_> = arguments.collect();
        // Without an answer the limit fills up by itself.
        redis.client.eval(&GIVE_BACK, &keys, &arguments).await;
    }

    fn check_pause(&self, subject: &str) -> Result<(), Duration> {
        let Some(cell) = self.local.get(subject) else {
            return Ok(());
        };
        match cell.lock().paused.saturating_sub(self.started.elapsed()) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    fn cell(&self, subject: &str) -> Arc<Mutex<LimitCell>> {
        let Ok(cell) = self
            .local
            .get_or_insert_with(subject, || Ok::<_, Infallible>(Arc::default()));
        cell
    }
}

/// The subject goes in as a hash: it may be a caller's name, and hold anything.
fn key(redis: &TipRedis, subject: &str, name: &str) -> String {
    let tag = u64::from_be_bytes(short_hash(subject));
    redis.name(format_args!("limit:{{{tag:016x}}}:{name}"))
}
