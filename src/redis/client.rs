//! Sends the commands of cache and tips to Redis, with a time limit for each and circuit breakers in front.
use std::{sync::Arc, time::Duration};

use bb8_redis::{
    bb8,
    redis::{self, RedisError, RedisResult, ToRedisArgs, Value},
};
use tokio::time::timeout;

use super::{
    RedisServers, Script,
    breaker::{CommandOutcome, CommandRole},
    breaker_set::{BreakerSet, CommandTarget, RedisAccess},
    errors::{is_demoted, is_no_script, is_other_type, problem_of},
    foreign_entries::ForeignEntries,
    pool::{BrokenFlag, Connection, ConnectionPool, Manager},
    slots::SlotRange,
};
use crate::telemetry::Counter;

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct RedisClientSettings {
    /// What it is used for, for the log, such as `shared cache`.
    pub name: &'static str,
    /// Where it is.
    pub servers: RedisServers,
    /// No caller waits longer than this for one command.
    pub timeout: Duration,
    /// Connections; each carries the commands of many tasks at once.
    pub connections: u32,
}

/// Access to Redis that costs callers little while Redis fails: after a few failures in a row a circuit breaker opens,
/// and commands are not sent, but for a probe now and then. Reads and writes have breakers of their own, and so have
/// the slot ranges of a cluster.
pub struct RedisClient {
    shared: Arc<SharedClient>,
    /// Whether its commands are sent even while a breaker is open.
    is_health_check: bool,
}

/// What a client and its copies for health checks have in common.
struct SharedClient {
    pool: ConnectionPool,
    reads: BreakerSet,
    writes: BreakerSet,
    timeout: Duration,
    connections: u32,
    is_cluster: bool,
    failures: Counter,
    foreign_entries: ForeignEntries,
}

/// Breaker states and counters of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisClientState {
    /// Whether the breaker of reads is open, in any slot range.
    pub read_breaker_open: bool,
    /// Whether the breaker of writes is open, in any slot range.
    pub write_breaker_open: bool,
    /// Reads that were not sent because a breaker was open, since the start.
    pub reads_short_circuited: u64,
    /// Writes that were not sent because a breaker was open, since the start.
    pub writes_short_circuited: u64,
    /// Connections that are open.
    pub open: u32,
    /// The most that may be open.
    pub max: u32,
    /// Commands that failed or were not answered in time, since the start.
    pub failures: u64,
    /// Entries that no replica of the fleet wrote, found since the start.
    pub foreign_entries: u64,
}

/// A command that may be sent: which breakers decide about it, where it goes, and as what.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    breakers: &'a BreakerSet,
    target: CommandTarget<'a>,
    role: CommandRole,
}

enum RedisReply<T> {
    Value(T),
    NoScript,
    /// WRONGTYPE: another program's value is under the key. Redis works.
    OtherType,
}

impl RedisClient {
    /// Reads the URL and makes the pool. Connecting is left to its first users:
    /// a Redis that is away must not keep the service from starting.
    ///
    /// # Errors
    ///
    /// A sentence when the URL is not one.
    pub fn connect(settings: &RedisClientSettings) -> Result<Self, String> {
        let servers = &settings.servers;
        let manager = Manager::open(servers, settings.timeout).map_err(|_| {
            "REDIS_URL: is not an address of Redis, or REDIS_TLS_CA has no certificates".to_owned()
        })?;
        let login = servers.login();
        let is_cluster = login.is_cluster();
        let breakers = |access| BreakerSet::new(access, settings.name, login.address(), is_cluster);
        let shared = SharedClient {
            pool: ConnectionPool::new(manager, settings.connections, settings.timeout),
            reads: breakers(RedisAccess::Read),
            writes: breakers(RedisAccess::Write),
            timeout: settings.timeout,
            connections: settings.connections,
            is_cluster,
            failures: Counter::default(),
            foreign_entries: ForeignEntries::of(settings.name),
        };
        Ok(Self {
            shared: Arc::new(shared),
            is_health_check: false,
        })
    }

    /// The same client for health checks: its commands are sent even while a breaker is open.
    #[must_use]
    pub fn for_health_check(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            is_health_check: true,
        }
    }

    /// Whether a breaker of reads or writes is open.
    #[must_use]
    pub fn has_open_breaker(&self) -> bool {
        self.shared.reads.is_open() || self.shared.writes.is_open()
    }

    /// The slot ranges that a health check probes: all of them while a breaker is open, else none.
    pub fn ranges_to_probe(&self) -> impl Iterator<Item = SlotRange> {
        let ranges = self.has_open_breaker().then(|| self.shared.reads.ranges());
        ranges.into_iter().flatten()
    }

    /// After a health check of those: logs the end of an outage if no breaker is open.
    pub fn log_recovery(&self) {
        self.shared.reads.log_recovery();
        self.shared.writes.log_recovery();
    }

    /// Whether `key` lies in this slot range.
    #[must_use]
    pub fn is_in_range(&self, range: SlotRange, key: &str) -> bool {
        self.shared.reads.range_of(key) == range
    }

    /// Breaker states and counters.
    #[must_use]
    pub fn state(&self) -> RedisClientState {
        RedisClientState {
            read_breaker_open: self.shared.reads.is_open(),
            write_breaker_open: self.shared.writes.is_open(),
            reads_short_circuited: self.shared.reads.short_circuited(),
            writes_short_circuited: self.shared.writes.short_circuited(),
            open: self.shared.pool.count(),
            max: self.shared.connections,
            failures: self.shared.failures.get(),
            foreign_entries: self.shared.foreign_entries.count(),
        }
    }

    /// Counts and logs that no replica of the fleet wrote what lies under `key`.
    pub fn count_foreign_entry(&self, key: &str) {
        self.shared.foreign_entries.note(key);
    }

    /// The command that sends a message within a script: in a cluster one that stays in the shard.
    #[must_use]
    pub fn publish_command(&self) -> &'static str {
        if self.shared.is_cluster {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// The reply to a command that reads `key`; `None` without one in time.
    pub async fn read<A: ToRedisArgs + Sync>(
        &self,
        name: &'static str,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        self.send(&self.shared.reads, name, key, arguments).await
    }

    /// The reply to a command that writes to `key`; `None` when Redis refuses it, or does not reply in time.
    pub async fn write<A: ToRedisArgs + Sync>(
        &self,
        name: &'static str,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        self.send(&self.shared.writes, name, key, arguments).await
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
        match self.shared.run_one(admitted, command, |_| true).await? {
            RedisReply::Value(value) => Some(value),
            RedisReply::NoScript | RedisReply::OtherType => None,
        }
    }

    /// The replies to a pipeline of commands that read `key`. No replies where the key holds another program's value;
    /// `None` without all replies in time.
    pub async fn read_all(&self, key: &str, commands: redis::Pipeline) -> Option<Vec<Value>> {
        let admitted = self.admit(&self.shared.reads, "several", key)?;
        let send = async |mut connection| commands.query_async(&mut connection).await;
        match self.shared.run(admitted, send, |_| true).await? {
            RedisReply::Value(values) => Some(values),
            RedisReply::OtherType => {
                self.count_foreign_entry(key);
                Some(Vec::new())
            }
            RedisReply::NoScript => None,
        }
    }

    /// The reply to INFO. It does not count for the breakers.
    pub async fn info(&self, section: &str) -> Option<Value> {
        let mut command = redis::cmd("INFO");
        command.arg(section);
        let asked = timeout(self.shared.timeout, async {
            let mut connection = self.shared.pool.next().await.ok()?;
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
        let admitted = self.admit(&self.shared.writes, script.code, key)?;
        let run = async |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            command.arg(arguments);
            self.shared.run_one(admitted, command, script.wrote).await
        };
        match run("EVALSHA", &script.sha1).await? {
            RedisReply::Value(value) => Some(value),
            // A server that was restarted, or another node of the cluster: EVAL teaches it.
            RedisReply::NoScript => match run("EVAL", script.code).await? {
                RedisReply::Value(value) => Some(value),
                RedisReply::NoScript | RedisReply::OtherType => None,
            },
            RedisReply::OtherType => None,
        }
    }

    fn admit<'a>(
        &self,
        breakers: &'a BreakerSet,
        command: &'static str,
        key: &'a str,
    ) -> Option<Admitted<'a>> {
        let target = CommandTarget { key, command };
        let role = if self.is_health_check {
            CommandRole::Probe
        } else {
            breakers.admit(target)?
        };
        Some(Admitted {
            breakers,
            target,
            role,
        })
    }
}

impl SharedClient {
    async fn run_one(
        &self,
        admitted: Admitted<'_>,
        command: redis::Cmd,
        is_proof: impl FnOnce(&Value) -> bool,
    ) -> Option<RedisReply<Value>> {
        let send = async |mut connection| command.query_async(&mut connection).await;
        self.run(admitted, send, is_proof).await
    }

    /// Runs `send` within the time limit and reports to the breakers how it ended. `is_proof` decides whether the reply
    /// proves that this kind of access works.
    async fn run<T>(
        &self,
        admitted: Admitted<'_>,
        send: impl AsyncFnOnce(Connection) -> RedisResult<T>,
        is_proof: impl FnOnce(&T) -> bool,
    ) -> Option<RedisReply<T>> {
        let (mut broken_flag, mut is_connected) = (None, false);
        let answer = timeout(self.timeout, async {
            let connection = self
                .connection(admitted.breakers.access(), admitted.role)
                .await?;
            (broken_flag, is_connected) = (connection.broken_flag(), true);
            send(connection).await.map_err(bb8::RunError::User)
        });
        let (answer, outcome) = match answer.await {
            Ok(Ok(value)) if is_proof(&value) => {
                (Some(RedisReply::Value(value)), CommandOutcome::Worked)
            }
            Ok(Ok(value)) => (Some(RedisReply::Value(value)), CommandOutcome::Inconclusive),
            Ok(Err(bb8::RunError::User(error))) if is_no_script(&error) => {
                (Some(RedisReply::NoScript), CommandOutcome::Inconclusive)
            }
            Ok(Err(bb8::RunError::User(error))) if is_other_type(&error) => {
                (Some(RedisReply::OtherType), CommandOutcome::Inconclusive)
            }
            Ok(Err(bb8::RunError::User(error))) => {
                if is_demoted(&error) {
                    broken_flag.iter().for_each(BrokenFlag::set);
                }
                let problem = problem_of(&error);
                let outcome = match error.code() {
                    Some(_) => CommandOutcome::Refused(problem),
                    // It says that this connection is over. Whether another one can be had, the next command finds out.
                    None if error.is_connection_dropped()
                        && broken_flag.as_ref().is_some_and(BrokenFlag::is_steady) =>
                    {
                        CommandOutcome::Inconclusive
                    }
                    None => CommandOutcome::Unanswered(problem),
                };
                (None, outcome)
            }
            Ok(Err(bb8::RunError::TimedOut)) => {
                (None, CommandOutcome::Unanswered(self.no_connection()))
            }
            Err(_) if !is_connected => (None, CommandOutcome::Unanswered(self.no_connection())),
            Err(_) => {
                // Whatever is on the way may never come, and all that follows waits behind it.
                broken_flag.iter().for_each(BrokenFlag::set);
                let problem = format!("no answer within {:?}", self.timeout);
                (None, CommandOutcome::Unanswered(problem))
            }
        };
        if answer.is_none() {
            self.failures.add(1);
            if self.is_cluster {
                self.pool.renew_login();
            }
        }
        admitted
            .breakers
            .report(admitted.target, admitted.role, &outcome);
        answer
    }

    /// A probe of writes has a connection that no caller has: if Redis holds it back, no read waits
    /// behind it.
    async fn connection(
        &self,
        access: RedisAccess,
        role: CommandRole,
    ) -> Result<Connection, bb8::RunError<RedisError>> {
        match (access, role) {
            (RedisAccess::Write, CommandRole::Probe) if !self.is_cluster => {
                self.pool.for_probe().await
            }
            (RedisAccess::Read | RedisAccess::Write, CommandRole::Normal | CommandRole::Probe) => {
                self.pool.next().await
            }
        }
    }

    /// Why there is no connection.
    fn no_connection(&self) -> String {
        // The error may be from another caller's attempt on the same connection.
        match self.pool.recent_error(self.timeout * 2) {
            Some(problem) => format!("cannot connect: {problem}"),
            None => format!("cannot connect: no answer within {:?}", self.timeout),
        }
    }
}
