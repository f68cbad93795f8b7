//! One kind of access to Redis, how it did lately in each part, and what the log has of it.
use super::{
    breaker::{Attempt, Breaker, Turn, Went},
    slots::Part,
};
use crate::telemetry::{Failing, FailureLog};

/// What a command needs of Redis. A server that was demoted, is full, or lacks its replicas answers
/// reads and refuses writes, so that what reads say proves nothing about writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Where a command goes, and what it is: a command's name, or a script.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) part: Part,
    pub(super) command: &'static str,
}

/// How an attempt went.
pub(super) enum Outcome {
    Worked,
    /// Redis answered, but did nothing of the kind that was asked about.
    Unsettled,
    /// It answered that it will not.
    Refused(String),
    /// It did not answer.
    Silent(String),
}

/// Lets commands of one kind through while they work.
pub(super) struct Gate {
    access: Access,
    /// What Redis is used for.
    usage: &'static str,
    /// Host and port, without credentials.
    address: String,
    /// One for each part.
    breakers: Box<[Breaker]>,
    outage: FailureLog,
}

impl Gate {
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

    /// Whether a command may be sent now, and as what.
    pub(super) fn admit(&self, place: Place) -> Option<Attempt> {
        let breaker = self.breakers.get(place.part.number())?;
        breaker.admit(place.command)
    }

    /// Where nobody but a probe may send any.
    pub(super) fn open_parts(&self) -> impl Iterator<Item = Part> {
        let open = self.breakers.iter().enumerate();
        open.filter(|(_, breaker)| breaker.is_open())
            .map(|(number, _)| Part::numbered(number))
    }

    /// Whether there is any such part.
    pub(super) fn is_open(&self) -> bool {
        self.open_parts().next().is_some()
    }

    /// Takes in how an attempt went, and tells what that changed.
    pub(super) fn report(&self, place: Place, attempt: Attempt, outcome: Outcome) {
        let (went, problem) = match outcome {
            Outcome::Worked => (Went::Well, None),
            Outcome::Unsettled => return,
            Outcome::Refused(problem) => (Went::Refused, Some(problem)),
            Outcome::Silent(problem) => (Went::Unanswered, Some(problem)),
        };
        let Some(breaker) = self.breakers.get(place.part.number()) else {
            return;
        };
        match breaker.report(attempt, place.command, went) {
            Turn::IsOpen => self.tell_outage(place.part, problem.as_deref()),
            Turn::Closed if !self.is_open() => self.tell_end(),
            Turn::Closed | Turn::None => tracing::debug!(problem, "{} asked", self.usage),
        }
    }

    fn tell_outage(&self, part: Part, problem: Option<&str>) {
        let Some(Failing { failures, lasted }) = self.outage.failed() else {
            return;
        };
        let is_whole = self.open_parts().count() == self.breakers.len();
        let consequence = match (self.access, is_whole) {
            (Access::Read, true) => "is gone; going on without it",
            (Access::Write, true) => "cannot write to Redis; going on without",
            (Access::Read, false) => "is gone in a part of the cluster; its keys go without it",
            (Access::Write, false) => {
                "cannot write to a part of the cluster; its keys go on without"
            }
        };
        let (usage, address) = (self.usage, self.address.as_str());
        let slots = (self.breakers.len() > 1).then(|| tracing::field::display(part));
        tracing::warn!(
            component = "redis",
            address,
            slots,
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
