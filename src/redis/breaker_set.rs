//! The circuit breakers of one kind of access to Redis, one for each slot range of a cluster, and their log lines.
use super::{
    breaker::{CommandOutcome, CommandRole, RedisBreaker, Transition},
    slots::{SlotRange, slot},
};
use crate::telemetry::{Counter, Failing, FailureLog};

/// What a command needs of Redis. A server that was demoted, is full, or lacks its replicas answers
/// reads and refuses writes, so that what reads say proves nothing about writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedisAccess {
    Read,
    Write,
}

/// The key that a command is about, and its name or script.
#[derive(Clone, Copy)]
pub(super) struct CommandTarget<'a> {
    pub(super) key: &'a str,
    pub(super) command: &'static str,
}

/// The breakers of one kind of access.
pub(super) struct BreakerSet {
    access: RedisAccess,
    /// What Redis is used for.
    usage: &'static str,
    /// Host and port, without credentials.
    address: String,
    /// One for each slot range.
    breakers: Box<[RedisBreaker]>,
    short_circuited: Counter,
    outage: FailureLog,
}

impl BreakerSet {
    pub(super) fn new(
        access: RedisAccess,
        usage: &'static str,
        address: String,
        is_cluster: bool,
    ) -> Self {
        let breakers = std::iter::repeat_with(RedisBreaker::closed);
        Self {
            access,
            usage,
            address,
            breakers: breakers.take(SlotRange::count(is_cluster)).collect(),
            short_circuited: Counter::default(),
            outage: FailureLog::default(),
        }
    }

    pub(super) const fn access(&self) -> RedisAccess {
        self.access
    }

    /// The slot range that `key` lies in.
    pub(super) fn range_of(&self, key: &str) -> SlotRange {
        SlotRange::of(key, self.breakers.len())
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = SlotRange> {
        SlotRange::all(self.breakers.len())
    }

    /// Whether a command may be sent now, and as what. One that may not is counted.
    pub(super) fn admit(&self, target: CommandTarget<'_>) -> Option<CommandRole> {
        let role = self.breaker(target)?.admit(target.command);
        if role.is_none() {
            self.short_circuited.add(1);
        }
        role
    }

    /// How many commands were not sent because a breaker was open.
    pub(super) fn short_circuited(&self) -> u64 {
        self.short_circuited.get()
    }

    /// Whether a breaker is open, in any slot range.
    pub(super) fn is_open(&self) -> bool {
        self.breakers.iter().any(RedisBreaker::is_open)
    }

    fn breaker(&self, target: CommandTarget<'_>) -> Option<&RedisBreaker> {
        self.breakers.get(self.range_of(target.key).number())
    }

    /// Takes in how a command ended, and logs what that changed.
    pub(super) fn report(
        &self,
        target: CommandTarget<'_>,
        role: CommandRole,
        outcome: &CommandOutcome,
    ) {
        let problem = match outcome {
            CommandOutcome::Inconclusive => return,
            CommandOutcome::Worked => None,
            CommandOutcome::Refused(problem) | CommandOutcome::Unanswered(problem) => {
                Some(problem.as_str())
            }
        };
        let Some(breaker) = self.breaker(target) else {
            return;
        };
        // In a cluster, once one breaker is open, one failed health check opens the next.
        let is_known = role == CommandRole::Probe && self.is_cluster() && self.is_open();
        match breaker.report(role, target.command, outcome, is_known) {
            Transition::IsOpen => self.log_outage(target.key, problem),
            // In a cluster other slot ranges may fail unnoticed; the health check decides whether the outage is over.
            Transition::Closed if !self.is_cluster() => self.log_end(),
            Transition::Closed => {
                tracing::debug!("{}: the breaker of one slot range closed", self.usage);
            }
            Transition::Unchanged => {
                tracing::debug!(
                    problem,
                    "{}: a command ended, its breaker is as before",
                    self.usage
                );
            }
        }
    }

    /// After a health check of all slot ranges: logs the end of an outage if no breaker is open.
    pub(super) fn log_recovery(&self) {
        if !self.is_open() {
            self.log_end();
        }
    }

    fn is_cluster(&self) -> bool {
        self.breakers.len() > 1
    }

    fn log_outage(&self, key: &str, problem: Option<&str>) {
        let Some(Failing { failures, lasted }) = self.outage.failed() else {
            return;
        };
        let is_whole = self.breakers.iter().all(RedisBreaker::is_open);
        let consequence = match (self.access, is_whole) {
            (RedisAccess::Read, true) => "does not answer; the service goes on without it",
            (RedisAccess::Write, true) => {
                "cannot write to Redis; writes are suspended, and tried again every 0.25 to 5 s"
            }
            (RedisAccess::Read, false) => {
                "does not answer in a part of the cluster; keys there go without it"
            }
            (RedisAccess::Write, false) => {
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

    fn log_end(&self) {
        let Some(Failing { failures, lasted }) = self.outage.worked() else {
            return;
        };
        let recovery = match self.access {
            RedisAccess::Read => "is back",
            RedisAccess::Write => "can write to Redis again",
        };
        let (usage, address) = (self.usage, self.address.as_str());
        tracing::info!(
            component = "redis",
            address,
            failures,
            ?lasted,
            "{usage} {recovery}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_an_open_breaker_does_not_send_are_counted() {
        let breakers = BreakerSet::new(RedisAccess::Read, "test", "127.0.0.1:1".to_owned(), false);
        let target = CommandTarget {
            key: "a",
            command: "GET",
        };
        for _ in 0..3 {
            let role = breakers.admit(target).unwrap();
            breakers.report(target, role, &CommandOutcome::Unanswered(String::new()));
        }
        assert_eq!((breakers.is_open(), breakers.short_circuited()), (true, 0));
        assert_eq!(breakers.admit(target), None);
        assert_eq!(breakers.short_circuited(), 1);
    }
}
