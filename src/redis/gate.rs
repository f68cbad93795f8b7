//! One kind of commands to Redis, how they did lately, and what the log has of it.
use super::breaker::{Attempt, Breaker, Turn};
use crate::telemetry::{Failing, FailureLog};

/// What a command needs of Redis. A server that was demoted, is full, or lacks its replicas answers
/// reads and refuses writes, so that what reads say proves nothing about writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// How an attempt went.
pub(super) enum Outcome {
    Worked,
    /// Redis answered, but did nothing of the kind that was asked about.
    Unsettled,
    Failed(String),
}

/// Lets commands of one kind through while they work.
pub(super) struct Gate {
    access: Access,
    /// What Redis is used for.
    usage: &'static str,
    /// Host and port, without credentials.
    address: String,
    breaker: Breaker,
    outage: FailureLog,
    /// Failures of some nodes of a cluster; `None` for one server.
    shards: Option<FailureLog>,
}

impl Gate {
    pub(super) fn new(
        access: Access,
        usage: &'static str,
        address: String,
        is_cluster: bool,
    ) -> Self {
        Self {
            access,
            usage,
            address,
            breaker: Breaker::closed(),
            outage: FailureLog::default(),
            shards: is_cluster.then(FailureLog::default),
        }
    }

    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Whether a command may be sent now, and as what.
    pub(super) fn admit(&self) -> Option<Attempt> {
        self.breaker.admit()
    }

    /// Whether nobody but a probe may send any.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Takes in how an attempt went, and tells what that changed.
    pub(super) fn report(&self, attempt: Attempt, outcome: Outcome) {
        let (worked, problem) = match outcome {
            Outcome::Worked => (true, None),
            Outcome::Unsettled => return,
            Outcome::Failed(problem) => (false, Some(problem)),
        };
        match self.breaker.report(attempt, worked) {
            Turn::Opened => self.tell_outage(problem.as_deref()),
            Turn::Closed => self.tell_end(),
            Turn::None => {
                tracing::debug!(problem, "{} asked", self.usage);
                // One shard that is away opens no breaker: the others answer in between.
                if let Some(shards) = &self.shards {
                    self.tell_of_shards(shards, problem.as_deref());
                }
            }
        }
    }

    fn tell_outage(&self, problem: Option<&str>) {
        let Some(Failing { failures, lasted }) = self.outage.failed() else {
            return;
        };
        let (usage, address) = (self.usage, self.address.as_str());
        match self.access {
            Access::Read => tracing::warn!(
                component = "redis",
                address,
                problem,
                failures,
                ?lasted,
                "{usage} is gone; going on without it"
            ),
            Access::Write => tracing::warn!(
                component = "redis",
                address,
                problem,
                failures,
                ?lasted,
                "{usage} cannot write to Redis; going on without"
            ),
        }
    }

    fn tell_end(&self) {
        let Some(Failing { lasted, .. }) = self.outage.worked() else {
            return;
        };
        let (usage, address) = (self.usage, self.address.as_str());
        match self.access {
            Access::Read => {
                tracing::info!(component = "redis", address, ?lasted, "{usage} is back");
            }
            Access::Write => tracing::info!(
                component = "redis",
                address,
                ?lasted,
                "{usage} can write to Redis again"
            ),
        }
    }

    fn tell_of_shards(&self, shards: &FailureLog, problem: Option<&str>) {
        let (usage, address) = (self.usage, self.address.as_str());
        match problem {
            Some(problem) => {
                if let Some(Failing { failures, lasted }) = shards.failed() {
                    tracing::warn!(
                        component = "redis",
                        address,
                        problem,
                        failures,
                        ?lasted,
                        "{usage}: a part of the cluster fails; its keys are gone without"
                    );
                }
            }
            None => {
                if let Some(Failing { failures, lasted }) = shards.worked() {
                    tracing::info!(
                        component = "redis",
                        address,
                        failures,
                        ?lasted,
                        "{usage}: the cluster answers again"
                    );
                }
            }
        }
    }
}
