//! The circuit breakers of one kind of access to Redis, one for each part of a cluster, and their log lines.
use super::{
    breaker::{Attempt, AttemptResult, Breaker, Transition},
    slots::{Part, slot},
};
use crate::telemetry::{Failing, FailureLog};

/// What a command needs of Redis. A server that was demoted, is full, or lacks its replicas answers
/// reads and refuses writes, so that what reads say proves nothing about writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The key that a command is about, and its name or script.
#[derive(Clone, Copy)]
pub(super) struct CommandTarget<'a> {
    pub(super) key: &'a str,
    pub(super) command: &'static str,
}

/// How an attempt ended.
pub(super) enum Outcome {
    Worked,
    /// Redis answered, but that does not show whether reads (or writes) work.
    Inconclusive,
    /// It answered that it will not.
    Refused(String),
    /// It did not answer.
    Silent(String),
}

/// The breakers of one kind of access.
pub(super) struct BreakerSet {
    access: Access,
    /// What Redis is used for.
    usage: &'static str,
    /// Host and port, without credentials.
    address: String,
    /// One for each part.
    breakers: Box<[Breaker]>,
    outage: FailureLog,
}

impl BreakerSet {
    pub(super) fn new(
        access: Access,
        usage: &'static str,
        address: String,
        is_cluster: bool,
    ) -> Self {
        let breakers = std::iter::repeat_with(Breaker::closed);
        Self {
            access,
            usage,
            address,
            breakers: breakers.take(Part::count(is_cluster)).collect(),
            outage: FailureLog::default(),
        }
    }

    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Where `key` lies.
    pub(super) fn part_of(&self, key: &str) -> Part {
        Part::of(key, self.breakers.len())
    }

    /// All there is.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        Part::all(self.breakers.len())
    }

    /// Whether a command may be sent now, and as what.
    pub(super) fn admit(&self, target: CommandTarget<'_>) -> Option<Attempt> {
        self.breaker(target)?.admit(target.command)
    }

    /// Whether nobody but a probe may send any, in some part.
    pub(super) fn is_open(&self) -> bool {
        self.breakers.iter().any(Breaker::is_open)
    }

    fn breaker(&self, target: CommandTarget<'_>) -> Option<&Breaker> {
        self.breakers.get(self.part_of(target.key).number())
    }

    /// Takes in how an attempt ended, and logs what that changed.
    pub(super) fn report(&self, target: CommandTarget<'_>, attempt: Attempt, outcome: Outcome) {
        let (result, problem) = match outcome {
            Outcome::Worked => (AttemptResult::Worked, None),
            Outcome::Inconclusive => return,
            Outcome::Refused(problem) => (AttemptResult::Refused, Some(problem)),
            Outcome::Silent(problem) => (AttemptResult::Unanswered, Some(problem)),
        };
        let Some(breaker) = self.breaker(target) else {
            return;
        };
        // In a cluster, once one part is known to be broken, one failed health check opens the next breaker.
        let is_known = attempt == Attempt::Probe && self.is_cluster() && self.is_open();
        match breaker.report(attempt, target.command, result, is_known) {
            Transition::IsOpen => self.tell_outage(target.key, problem.as_deref()),
            // In a cluster other parts may be down unnoticed; the health check decides whether the outage is over.
            Transition::Closed if !self.is_cluster() => self.tell_end(),
            Transition::Closed => tracing::debug!("{}: the breaker of one part closed", self.usage),
            Transition::Unchanged => {
                tracing::debug!(
                    problem,
                    "{}: a command ended, its breaker is as before",
                    self.usage
                );
            }
        }
    }

    /// After a health check of all parts: logs the end of an outage if it is over.
    pub(super) fn tell_if_over(&self) {
        if !self.is_open() {
            self.tell_end();
        }
    }

    fn is_cluster(&self) -> bool {
        self.breakers.len() > 1
    }

    fn tell_outage(&self, key: &str, problem: Option<&str>) {
        let Some(Failing { failures, lasted }) = self.outage.failed() else {
            return;
        };
        let is_whole = self.breakers.iter().all(Breaker::is_open);
        let consequence = match (self.access, is_whole) {
            (Access::Read, true) => "does not answer; the service goes on without it",
            (Access::Write, true) => {
                "cannot write to Redis; writes are suspended, and tried again every 0.25 to 5 s"
            }
            (Access::Read, false) => {
                "does not answer in a part of the cluster; keys there go without it"
            }
            (Access::Write, false) => {
                "cannot write to a part of the cluster; writes there are suspended, and tried again every 0.25 to 5 s"
            }
        };
        let (usage, address) = (self.usage, self.address.as_str());
        let slot = self.is_cluster().then(|| slot(key));
        tracing::warn!(
            component = "redis",
            address,
            slot,
            problem,
            failures,
            ?lasted,
            "{usage} {consequence}"
        );
    }

    fn tell_end(&self) {
        let Some(Failing { failures, lasted }) = self.outage.worked() else {
            return;
        };
        let news = match self.access {
            Access::Read => "is back",
            Access::Write => "can write to Redis again",
        };
        let (usage, address) = (self.usage, self.address.as_str());
        tracing::info!(
            component = "redis",
            address,
            failures,
            ?lasted,
            "{usage} {news}"
        );
    }
}
