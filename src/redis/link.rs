use std::time::Duration;

use bb8_redis::{
    bb8,
    redis::{self, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value},
};
use tokio::time::{Instant, timeout};

use super::{
    RedisNodes, Script,
    breaker::{Attempt, Breaker, Turn},
    pool::{Connection, Lines, Manager, Seal, address_of},
};
use crate::telemetry::{Counter, Failing, FailureLog};

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// What it is used for, for the log, such as `shared cache`.
    pub name: &'static str,
    /// One server or a cluster.
    pub nodes: RedisNodes,
    /// No caller waits longer than this for one command.
    pub timeout: Duration,
    /// Connections; each carries the commands of many tasks at once.
    pub connections: u32,
}

/// A way to Redis that costs its users little while Redis is away: after a few failures in a row
/// they are turned back at once, but for a probe now and then.
pub struct Link {
    name: &'static str,
    lines: Lines,
    breaker: Breaker,
    timeout: Duration,
    connections: u32,
    is_cluster: bool,
    failures: Counter,
    /// Host and port, without credentials.
    address: String,
    outage: FailureLog,
    /// Of a cluster: some of its nodes.
    shards: FailureLog,
}

/// How a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether callers are kept away, because Redis did not answer.
    pub is_bypassed: bool,
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
}

impl Link {
    /// Reads the URL and makes the pool. Connecting is left to its first users:
    /// a Redis that is away must not keep the service from starting.
    ///
    /// # Errors
    ///
    /// A sentence when the URL is not one.
    pub fn connect(settings: &LinkSettings) -> Result<Self, String> {
        let manager = Manager::open(&settings.nodes, settings.timeout)
            .map_err(|_| "REDIS_URL: is not an address of Redis".to_owned())?;
        Ok(Self {
            name: settings.name,
            lines: Lines::new(manager, settings.connections, settings.timeout),
            breaker: Breaker::closed(),
            timeout: settings.timeout,
            connections: settings.connections,
            is_cluster: matches!(settings.nodes, RedisNodes::Cluster(_)),
            failures: Counter::default(),
            address: address_of(&settings.nodes),
            outage: FailureLog::default(),
            shards: FailureLog::default(),
        })
    }

    /// Whether callers are kept away from it because it does not answer.
    #[must_use]
    pub fn is_bypassed(&self) -> bool {
        self.breaker.is_open()
    }

    /// How it does.
    #[must_use]
    pub fn state(&self) -> LinkState {
        LinkState {
            is_bypassed: self.is_bypassed(),
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
        let pong = self.run_one(Attempt::Probe, redis::cmd("PING")).await;
        pong.map(|_| started.elapsed())
    }

    /// What Redis says to a command; `None` when it says nothing in time.
    pub async fn ask(&self, command: redis::Cmd) -> Option<Value> {
        let attempt = self.breaker.admit()?;
        match self.run_one(attempt, command).await? {
            Answer::Value(value) => Some(value),
            Answer::NoScript => None,
        }
    }

    /// What Redis says to several commands, which travel together; in a cluster their keys must
    /// share a hash tag. `None` when it does not say everything in time.
    pub async fn ask_all(&self, commands: redis::Pipeline) -> Option<Vec<Value>> {
        let attempt = self.breaker.admit()?;
        let ask = async |mut connection| commands.query_async(&mut connection).await;
        match self.run(attempt, ask).await? {
            Answer::Value(values) => Some(values),
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
        let attempt = self.breaker.admit()?;
        let command = |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            command.arg(arguments);
            command
        };
        let known = self
            .run_one(attempt, command("EVALSHA", &script.sha1))
            .await?;
        match known {
            Answer::Value(value) => Some(value),
            // A server that was restarted, or another node of the cluster: EVAL teaches it.
            Answer::NoScript => match self.run_one(attempt, command("EVAL", script.code)).await? {
                Answer::Value(value) => Some(value),
                Answer::NoScript => None,
            },
        }
    }

    async fn run_one(&self, attempt: Attempt, command: redis::Cmd) -> Option<Answer<Value>> {
        let ask = async |mut connection| command.query_async(&mut connection).await;
        self.run(attempt, ask).await
    }

    /// Does `ask` within the time limit and tells the breaker how it went.
    async fn run<T>(
        &self,
        attempt: Attempt,
        ask: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Option<Answer<T>> {
        let (mut seal, mut is_connected) = (None, false);
        let answer = timeout(self.timeout, async {
            let connection = self.lines.next().await?;
            (seal, is_connected) = (connection.seal(), true);
            ask(connection).await.map_err(bb8::RunError::User)
        });
        let (answer, problem) = match answer.await {
            Ok(Ok(value)) => (Some(Answer::Value(value)), None),
            Ok(Err(bb8::RunError::User(error))) if is_no_script(&error) => {
                (Some(Answer::NoScript), None)
            }
            Ok(Err(bb8::RunError::User(error))) => (None, Some(problem_of(&error))),
            Ok(Err(bb8::RunError::TimedOut)) => (None, Some(self.no_connection())),
            Err(_) if !is_connected => (None, Some(self.no_connection())),
            Err(_) => {
                // Whatever is on the way may never come, and all that follows waits behind it.
                seal.iter().for_each(Seal::breaks);
                (None, Some(format!("no answer within {:?}", self.timeout)))
            }
        };
        if problem.is_some() {
            self.failures.add(1);
        }
        let turn = self.breaker.report(attempt, problem.is_none());
        self.tell(turn, problem);
        answer
    }

    /// Why there is no connection.
    fn no_connection(&self) -> String {
        // It may be that of another who waited for the same connection.
        match self.lines.refusal(self.timeout * 2) {
            Some(problem) => format!("cannot connect: {problem}"),
            None => format!("cannot connect: no answer within {:?}", self.timeout),
        }
    }

    fn tell(&self, turn: Turn, problem: Option<String>) {
        let (name, address) = (self.name, self.address.as_str());
        match turn {
            Turn::Opened => {
                if let Some(Failing { failures, lasted }) = self.outage.failed() {
                    tracing::warn!(
                        component = "redis",
                        address,
                        problem,
                        failures,
                        ?lasted,
                        "{name} is gone; going on without it"
                    );
                }
            }
            Turn::Closed => {
                if let Some(Failing { lasted, .. }) = self.outage.worked() {
                    tracing::info!(component = "redis", address, ?lasted, "{name} is back");
                }
            }
            Turn::None => {
                tracing::debug!(problem, "{name} asked");
                // One shard that is away opens no breaker: the others answer in between.
                if self.is_cluster {
                    self.tell_of_shards(problem);
                }
            }
        }
    }

    fn tell_of_shards(&self, problem: Option<String>) {
        let (name, address) = (self.name, self.address.as_str());
        match problem {
            Some(problem) => {
                if let Some(Failing { failures, lasted }) = self.shards.failed() {
                    tracing::warn!(
                        component = "redis",
                        address,
                        problem,
                        failures,
                        ?lasted,
                        "{name}: a part of the cluster fails; its keys are gone without"
                    );
                }
            }
            None => {
                if let Some(Failing { failures, lasted }) = self.shards.worked() {
                    tracing::info!(
                        component = "redis",
                        address,
                        failures,
                        ?lasted,
                        "{name}: the cluster answers again"
                    );
                }
            }
        }
    }
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// What went wrong, in the server's own words where it has some; no more than a line of them.
pub(super) fn problem_of(error: &RedisError) -> String {
    error.to_string().chars().take(PROBLEM_MAX_CHARS).collect()
}
