//! What cache and tips send to Redis, with a time limit for each command and breakers in front.
use std::{sync::Arc, time::Duration};

use bb8_redis::{
    bb8,
    redis::{self, RedisError, RedisResult, ToRedisArgs, Value},
};
use tokio::time::timeout;

use super::{
    RedisServers, Script,
    breaker::Attempt,
    breaker_set::{Access, BreakerSet, CommandTarget, Outcome},
    errors::{is_demoted, is_no_script, is_other_type, problem_of},
    foreign_entries::ForeignEntries,
    pool::{BrokenFlag, Connection, ConnectionPool, Manager},
    slots::Part,
};
use crate::telemetry::Counter;

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// What it is used for, for the log, such as `shared cache`.
    pub name: &'static str,
    /// Where it is.
    pub servers: RedisServers,
    /// No caller waits longer than this for one command.
    pub timeout: Duration,
    /// Connections; each carries the commands of many tasks at once.
    pub connections: u32,
}

/// Access to Redis that costs callers little while Redis is away: after a few failures in a row commands are refused
/// at once, but for a probe now and then. Reads and writes have breakers of their own, and so have the parts of a
/// cluster.
pub struct Link {
    inner: Arc<Inner>,
    /// Whether its commands are sent in any case, to find out how Redis does.
    is_trial: bool,
}

struct Inner {
    pool: ConnectionPool,
    reads: BreakerSet,
    writes: BreakerSet,
    timeout: Duration,
    connections: u32,
    is_cluster: bool,
    failures: Counter,
    foreign_entries: ForeignEntries,
}

/// Breaker states and counters of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether reads are skipped for at least one part, because Redis did not answer.
    pub reads_bypassed: bool,
    /// Whether writes are skipped for at least one part, because Redis refused them or did not answer.
    pub writes_bypassed: bool,
    /// Connections that are open.
    pub open: u32,
    /// The most that may be open.
    pub max: u32,
    /// Commands that failed or were not answered in time, since the start.
    pub failures: u64,
    /// What was found under our names and not written by the fleet, since the start.
    pub foreign_entries: u64,
}

/// A command that may be sent: which breakers decide about it, where it goes, and as what.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    breakers: &'a BreakerSet,
    target: CommandTarget<'a>,
    attempt: Attempt,
}

enum Answer<T> {
    Value(T),
    NoScript,
    /// WRONGTYPE: another program's value is under the key. Redis works.
    OtherType,
}

impl Link {
    /// Reads the URL and makes the pool. Connecting is left to its first users:
    /// a Redis that is away must not keep the service from starting.
    ///
    /// # Errors
    ///
    /// A sentence when the URL is not one.
    pub fn connect(settings: &LinkSettings) -> Result<Self, String> {
        let servers = &settings.servers;
        let manager = Manager::open(servers, settings.timeout).map_err(|_| {
            "REDIS_URL: is not an address of Redis, or REDIS_TLS_CA has no certificates".to_owned()
        })?;
        let is_cluster = servers.is_cluster();
        let breakers =
            |access| BreakerSet::new(access, settings.name, servers.address(), is_cluster);
        let inner = Inner {
            pool: ConnectionPool::new(manager, settings.connections, settings.timeout),
            reads: breakers(Access::Read),
            writes: breakers(Access::Write),
            timeout: settings.timeout,
            connections: settings.connections,
            is_cluster,
            failures: Counter::default(),
            foreign_entries: ForeignEntries::of(settings.name),
        };
        Ok(Self {
            inner: Arc::new(inner),
            is_trial: false,
        })
    }

    /// The same link for health checks: the breakers refuse none of its commands.
    #[must_use]
    pub fn trial(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            is_trial: true,
        }
    }

    /// Whether a read or write breaker is open.
    #[must_use]
    pub fn is_bypassed(&self) -> bool {
        self.inner.reads.is_open() || self.inner.writes.is_open()
    }

    /// The parts to health-check while a breaker is open: all of them.
    pub fn parts_to_try(&self) -> impl Iterator<Item = Part> {
        let parts = self.is_bypassed().then(|| self.inner.reads.parts());
        parts.into_iter().flatten()
    }

    /// After a health check of those: logs the end of an outage if it is over.
    pub fn tell_if_over(&self) {
        self.inner.reads.tell_if_over();
        self.inner.writes.tell_if_over();
    }

    /// Whether `key` lies there.
    #[must_use]
    pub fn is_in(&self, part: Part, key: &str) -> bool {
        self.inner.reads.part_of(key) == part
    }

    /// Breaker states and counters.
    #[must_use]
    pub fn state(&self) -> LinkState {
        LinkState {
            reads_bypassed: self.inner.reads.is_open(),
            writes_bypassed: self.inner.writes.is_open(),
            open: self.inner.pool.count(),
            max: self.inner.connections,
            failures: self.inner.failures.get(),
            foreign_entries: self.inner.foreign_entries.count(),
        }
    }

    /// Tells that no replica of the fleet wrote what lies under `key`.
    pub fn note_foreign_entry(&self, key: &str) {
        self.inner.foreign_entries.note(key);
    }

    /// The command that sends a message within a script: in a cluster one that stays in the shard.
    #[must_use]
    pub fn publish_command(&self) -> &'static str {
        if self.inner.is_cluster {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// What Redis says to a command about `key` that reads; `None` when it says nothing in time.
    pub async fn ask<A: ToRedisArgs + Sync>(
        &self,
        name: &'static str,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        self.send(&self.inner.reads, name, key, arguments).await
    }

    /// What Redis says to a command that writes to `key`; `None` when it refuses it, or says nothing in time.
    pub async fn change<A: ToRedisArgs + Sync>(
        &self,
        name: &'static str,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        self.send(&self.inner.writes, name, key, arguments).await
    }

    async fn send<A: ToRedisArgs + Sync>(
        &self,
        breakers: &BreakerSet,
        name: &'static str,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        let admitted = self.admit(breakers, name, key)?;
        let mut command = redis::cmd(name);
        command.arg(key).arg(arguments);
        match self.inner.run_one(admitted, command, |_| true).await? {
            Answer::Value(value) => Some(value),
            Answer::NoScript | Answer::OtherType => None,
        }
    }

    /// What Redis says to several commands about `key` that read, which travel together. Nothing where the key holds
    /// what is not ours; `None` when it does not say everything in time.
    pub async fn ask_all(&self, key: &str, commands: redis::Pipeline) -> Option<Vec<Value>> {
        let admitted = self.admit(&self.inner.reads, "several", key)?;
        let ask = async |mut connection| commands.query_async(&mut connection).await;
        match self.inner.run(admitted, ask, |_| true).await? {
            Answer::Value(values) => Some(values),
            Answer::OtherType => {
                self.note_foreign_entry(key);
                Some(Vec::new())
            }
            Answer::NoScript => None,
        }
    }

    /// What Redis tells of itself. It says nothing of how commands do.
    pub async fn info(&self, section: &str) -> Option<Value> {
        let mut command = redis::cmd("INFO");
        command.arg(section);
        let asked = timeout(self.inner.timeout, async {
            let mut connection = self.inner.pool.next().await.ok()?;
            command.query_async(&mut connection).await.ok()
        });
        asked.await.ok().flatten()
    }

    /// What a script returns; `None` when it returns nothing in time. In a cluster the keys must
    /// share a hash tag.
    pub async fn eval<K: AsRef<str> + Sync>(
        &self,
        script: &Script,
        keys: &[K],
        arguments: &[Vec<u8>],
    ) -> Option<Value> {
        let key = keys.first().map_or("", AsRef::as_ref);
        let admitted = self.admit(&self.inner.writes, script.code, key)?;
        let run = async |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            command.arg(arguments);
            self.inner.run_one(admitted, command, script.wrote).await
        };
        match run("EVALSHA", &script.sha1).await? {
            Answer::Value(value) => Some(value),
            // A server that was restarted, or another node of the cluster: EVAL teaches it.
            Answer::NoScript => match run("EVAL", script.code).await? {
                Answer::Value(value) => Some(value),
                Answer::NoScript | Answer::OtherType => None,
            },
            Answer::OtherType => None,
        }
    }

    fn admit<'a>(
        &self,
        breakers: &'a BreakerSet,
        command: &'static str,
        key: &'a str,
    ) -> Option<Admitted<'a>> {
        let target = CommandTarget { key, command };
        let attempt = if self.is_trial {
            Attempt::Probe
        } else {
            breakers.admit(target)?
        };
        Some(Admitted {
            breakers,
            target,
            attempt,
        })
    }
}

impl Inner {
    async fn run_one(
        &self,
        admitted: Admitted<'_>,
        command: redis::Cmd,
        did: impl FnOnce(&Value) -> bool,
    ) -> Option<Answer<Value>> {
        let ask = async |mut connection| command.query_async(&mut connection).await;
        self.run(admitted, ask, did).await
    }

    /// Does `ask` within the time limit and reports to the breakers how it ended. `did` tells whether the answer
    /// proves that this kind of access works.
    async fn run<T>(
        &self,
        admitted: Admitted<'_>,
        ask: impl AsyncFnOnce(Connection) -> RedisResult<T>,
        did: impl FnOnce(&T) -> bool,
    ) -> Option<Answer<T>> {
        let (mut broken_flag, mut is_connected) = (None, false);
        let answer = timeout(self.timeout, async {
            let connection = self
                .connection(admitted.breakers.access(), admitted.attempt)
                .await?;
            (broken_flag, is_connected) = (connection.broken_flag(), true);
            ask(connection).await.map_err(bb8::RunError::User)
        });
        let (answer, outcome) = match answer.await {
            Ok(Ok(value)) if did(&value) => (Some(Answer::Value(value)), Outcome::Worked),
            Ok(Ok(value)) => (Some(Answer::Value(value)), Outcome::Inconclusive),
            Ok(Err(bb8::RunError::User(error))) if is_no_script(&error) => {
                (Some(Answer::NoScript), Outcome::Inconclusive)
            }
            Ok(Err(bb8::RunError::User(error))) if is_other_type(&error) => {
                (Some(Answer::OtherType), Outcome::Inconclusive)
            }
            Ok(Err(bb8::RunError::User(error))) => {
                if is_demoted(&error) {
                    broken_flag.iter().for_each(BrokenFlag::set);
                }
                let problem = problem_of(&error);
                let outcome = match error.code() {
                    Some(_) => Outcome::Refused(problem),
                    // It says that this connection is over. Whether another one can be had, the next command finds out.
                    None if error.is_connection_dropped()
                        && broken_flag.as_ref().is_some_and(BrokenFlag::is_steady) =>
                    {
                        Outcome::Inconclusive
                    }
                    None => Outcome::Silent(problem),
                };
                (None, outcome)
            }
            Ok(Err(bb8::RunError::TimedOut)) => (None, Outcome::Silent(self.no_connection())),
            Err(_) if !is_connected => (None, Outcome::Silent(self.no_connection())),
            Err(_) => {
                // Whatever is on the way may never come, and all that follows waits behind it.
                broken_flag.iter().for_each(BrokenFlag::set);
                let problem = format!("no answer within {:?}", self.timeout);
                (None, Outcome::Silent(problem))
            }
        };
        if answer.is_none() {
            self.failures.add(1);
        }
        admitted
            .breakers
            .report(admitted.target, admitted.attempt, outcome);
        answer
    }

    /// A probe of writes has a connection that no caller has: if Redis holds it back, no read waits
    /// behind it.
    async fn connection(
        &self,
        access: Access,
        attempt: Attempt,
    ) -> Result<Connection, bb8::RunError<RedisError>> {
        match (access, attempt) {
            (Access::Write, Attempt::Probe) if !self.is_cluster => self.pool.apart().await,
            (Access::Read | Access::Write, Attempt::Ordinary | Attempt::Probe) => {
                self.pool.next().await
            }
        }
    }

    /// Why there is no connection.
    fn no_connection(&self) -> String {
        // The error may be from another caller's attempt on the same connection.
        match self.pool.refusal(self.timeout * 2) {
            Some(problem) => format!("cannot connect: {problem}"),
            None => format!("cannot connect: no answer within {:?}", self.timeout),
        }
    }
}
