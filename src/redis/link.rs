use std::time::Duration;

use bb8_redis::{
    bb8,
    redis::{self, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value},
};
use tokio::time::{Instant, timeout};

use super::{
    RedisServers, Script,
    breaker::Attempt,
    gate::{Access, Gate, Outcome},
    pool::{Connection, Lines, Manager, Seal},
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

/// A way to Redis that costs its users little while Redis is away: after a few failures in a row
/// they are turned back at once, but for a probe now and then. Reads and writes are counted apart.
pub struct Link {
    lines: Lines,
    reads: Gate,
    writes: Gate,
    timeout: Duration,
    connections: u32,
    is_cluster: bool,
    failures: Counter,
}

/// How a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether nothing is read, because Redis did not answer.
    pub reads_bypassed: bool,
    /// Whether nothing is written, because Redis refused it or did not answer.
    pub writes_bypassed: bool,
    /// Connections that are open.
    pub open: u32,
    /// The most that may be open.
    pub max: u32,
    /// Commands that failed or were not answered in time, since the start.
    pub failures: u64,
}

const PROBLEM_MAX_CHARS: usize = 200;

enum Answer<T> {
    Value(T),
    NoScript,
    /// What lies under the key is of another type than ours: somebody else's, and Redis is well.
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
        let gate = |access| Gate::new(access, settings.name, servers.address(), is_cluster);
        Ok(Self {
            lines: Lines::new(manager, settings.connections, settings.timeout),
            reads: gate(Access::Read),
            writes: gate(Access::Write),
            timeout: settings.timeout,
            connections: settings.connections,
            is_cluster,
            failures: Counter::default(),
        })
    }

    /// Whether it goes without reads or without writes, because they failed.
    #[must_use]
    pub fn is_bypassed(&self) -> bool {
        self.reads.is_open() || self.writes.is_open()
    }

    /// How it does.
    #[must_use]
    pub fn state(&self) -> LinkState {
        LinkState {
            reads_bypassed: self.reads.is_open(),
            writes_bypassed: self.writes.is_open(),
            open: self.lines.count(),
            max: self.connections,
            failures: self.failures.get(),
        }
    }

    /// The command that sends a message within a script: in a cluster one that stays in the shard.
    #[must_use]
    pub const fn publish_command(&self) -> &'static str {
        if self.is_cluster {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// How long it takes to answer at all; `None` when it does not in time.
    pub async fn ping(&self) -> Option<Duration> {
        let started = Instant::now();
        let ping = async |mut connection| {
            let pong = redis::cmd("PING").query_async(&mut connection).await;
            match pong {
                // A server whose dumps fail refuses this as it refuses writes; but it answers.
                Err(error) if error.code() == Some("MISCONF") => Ok(Value::Okay),
                pong => pong,
            }
        };
        let answer = self.run(&self.reads, Attempt::Probe, ping, |_: &Value| true);
        answer.await.map(|_| started.elapsed())
    }

    /// What Redis says to a command that reads; `None` when it says nothing in time.
    pub async fn ask(&self, command: redis::Cmd) -> Option<Value> {
        self.send(&self.reads, command).await
    }

    /// What Redis says to a command that writes; `None` when it refuses it, or says nothing in time.
    pub async fn change(&self, command: redis::Cmd) -> Option<Value> {
        self.send(&self.writes, command).await
    }

    async fn send(&self, gate: &Gate, command: redis::Cmd) -> Option<Value> {
        let attempt = gate.admit()?;
        match self.run_one(gate, attempt, command, |_| true).await? {
            Answer::Value(value) => Some(value),
            Answer::NoScript | Answer::OtherType => None,
        }
    }

    /// What Redis says to several commands that read, which travel together; in a cluster their keys
    /// must share a hash tag. Nothing where a key holds what is not ours; `None` when it does not say
    /// everything in time.
    pub async fn ask_all(&self, commands: redis::Pipeline) -> Option<Vec<Value>> {
        let attempt = self.reads.admit()?;
        let ask = async |mut connection| commands.query_async(&mut connection).await;
        match self.run(&self.reads, attempt, ask, |_| true).await? {
            Answer::Value(values) => Some(values),
            Answer::OtherType => Some(Vec::new()),
            Answer::NoScript => None,
        }
    }

    /// What a script returns; `None` when it returns nothing in time. In a cluster the keys must
    /// share a hash tag.
    pub async fn eval<K: AsRef<str> + Sync>(
        &self,
        script: &Script,
        keys: &[K],
        arguments: &[Vec<u8>],
    ) -> Option<Value> {
        let attempt = self.writes.admit()?;
        let run = async |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            command.arg(arguments);
            self.run_one(&self.writes, attempt, command, script.wrote)
                .await
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

    async fn run_one(
        &self,
        gate: &Gate,
        attempt: Attempt,
        command: redis::Cmd,
        did: impl FnOnce(&Value) -> bool,
    ) -> Option<Answer<Value>> {
        let ask = async |mut connection| command.query_async(&mut connection).await;
        self.run(gate, attempt, ask, did).await
    }

    /// Does `ask` within the time limit and tells the gate how it went; `did` says of an answer
    /// whether it shows that Redis does what goes through this gate.
    async fn run<T>(
        &self,
        gate: &Gate,
        attempt: Attempt,
        ask: impl AsyncFnOnce(Connection) -> RedisResult<T>,
        did: impl FnOnce(&T) -> bool,
    ) -> Option<Answer<T>> {
        let (mut seal, mut is_connected) = (None, false);
        let answer = timeout(self.timeout, async {
            let connection = self.connection(gate.access(), attempt).await?;
            (seal, is_connected) = (connection.seal(), true);
            ask(connection).await.map_err(bb8::RunError::User)
        });
        let (answer, outcome) = match answer.await {
            Ok(Ok(value)) if did(&value) => (Some(Answer::Value(value)), Outcome::Worked),
            Ok(Ok(value)) => (Some(Answer::Value(value)), Outcome::Unsettled),
            Ok(Err(bb8::RunError::User(error))) if is_no_script(&error) => {
                (Some(Answer::NoScript), Outcome::Unsettled)
            }
            Ok(Err(bb8::RunError::User(error))) if is_other_type(&error) => {
                (Some(Answer::OtherType), Outcome::Unsettled)
            }
            Ok(Err(bb8::RunError::User(error))) => {
                if is_demoted(&error) {
                    seal.iter().for_each(Seal::breaks);
                }
                (None, Outcome::Failed(problem_of(&error)))
            }
            Ok(Err(bb8::RunError::TimedOut)) => (None, Outcome::Failed(self.no_connection())),
            Err(_) if !is_connected => (None, Outcome::Failed(self.no_connection())),
            Err(_) => {
                // Whatever is on the way may never come, and all that follows waits behind it.
                seal.iter().for_each(Seal::breaks);
                let problem = format!("no answer within {:?}", self.timeout);
                (None, Outcome::Failed(problem))
            }
        };
        if answer.is_none() {
            self.failures.add(1);
        }
        gate.report(attempt, outcome);
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
            (Access::Write, Attempt::Probe) if !self.is_cluster => self.lines.apart().await,
            (Access::Read | Access::Write, Attempt::Ordinary | Attempt::Probe) => {
                self.lines.next().await
            }
        }
    }

    /// Why there is no connection.
    fn no_connection(&self) -> String {
        // It may be that of another who waited for the same connection.
        match self.lines.refusal(self.timeout * 2) {
            Some(problem) => format!("cannot connect: {problem}"),
            None => format!("cannot connect: no answer within {:?}", self.timeout),
        }
    }
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the server is no primary any more; the address may lead to another one by now.
fn is_demoted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// In a pipeline, or out of a script, the word stands amid others.
fn is_other_type(error: &RedisError) -> bool {
    error.to_string().contains("WRONGTYPE")
}

/// What went wrong, in the server's own words where it has some; no more than a line of them, and
/// nothing of what was sent.
pub(super) fn problem_of(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => {
            let words = detail.split(", with args beginning with").next();
            format!("{code} {}", words.unwrap_or_default())
        }
        (Some(_) | None, _) => error.to_string(),
    };
    text.chars().take(PROBLEM_MAX_CHARS).collect()
}
