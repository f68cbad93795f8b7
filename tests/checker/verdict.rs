//! Judges the history. `docs/consistency.md` states the rules in words.
use std::collections::{BTreeMap, HashMap};

use tonic::Code;

use crate::{
    catalog::{ABSENT, Digest},
    history::{Asked, History, Micros, Outcome, Read, Receipt, Seq, Trouble, Window},
    timeline::{Key, Timeline},
};

/// What the service promises at its defaults.
pub const MAX_STALENESS: Micros = 2_000_000;

/// The promises, as `docs/consistency.md` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// An answer is no older than it says.
    BoundedStaleness,
    /// After a receipt nothing from before is called fresh.
    Receipt,
    /// An answer is as new as its version, and as the ticket it was asked with.
    Ticket,
    /// When all is healed, all replicas show what the database has.
    Convergence,
    /// One statement for each key and change.
    Herd,
    /// Redis never makes a call fail; the database none whose copy is at hand.
    Availability,
    /// Nothing is shown that never was.
    NoPhantom,
}

impl Property {
    pub const ALL: [(Self, &str); 7] = [
        (Self::BoundedStaleness, "P1 bounded staleness"),
        (Self::Receipt, "P2 receipts"),
        (Self::Ticket, "P3 tickets and versions"),
        (Self::Convergence, "P4 convergence"),
        (Self::Herd, "P5 herd"),
        (Self::Availability, "P6 availability"),
        (Self::NoPhantom, "P7 nothing that never was"),
    ];
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub property: Property,
    pub detail: String,
}

/// What the history showed.
#[derive(Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    /// Answers whose content was compared with the past, by label.
    pub checked: BTreeMap<&'static str, usize>,
    /// Rows and lists in them.
    pub contents: usize,
    pub with_ticket: usize,
    pub after_receipt: usize,
    /// Failures that a stopped or killed replica excuses.
    pub excused_by_replica: usize,
    /// Failures of keys without a copy, or of tickets, while the database was away.
    pub excused_by_database: usize,
    /// Calls of the same kind whose time was over while the database was slow or away.
    pub excused_by_slow_fills: usize,
    /// Calls in flight while their replica was stopped or killed; judged like all others.
    pub across_pauses: usize,
}

pub struct Judge<'a> {
    pub history: &'a History,
    pub timeline: &'a Timeline,
    pub windows: &'a [Window],
    pub receipts: Vec<Receipt>,
    verdict: Verdict,
    /// When a replica has shown what from its near cache: (replica, run, key).
    warm: HashMap<(usize, u32, Key), Vec<Micros>>,
}

impl<'a> Judge<'a> {
    pub fn new(
        history: &'a History,
        timeline: &'a Timeline,
        windows: &'a [Window],
        mut receipts: Vec<Receipt>,
    ) -> Self {
        receipts.sort_by_key(|receipt| receipt.returned);
        Self {
            history,
            timeline,
            windows,
            receipts,
            verdict: Verdict::default(),
            warm: HashMap::new(),
        }
    }

    pub fn judge(mut self, reads: &[Read]) -> Verdict {
        for read in reads {
            if matches!(read.outcome, Outcome::Answer { near: true, .. }) {
                for key in keys(&read.asked) {
                    let shown = self.warm.entry((read.replica, read.run, key));
                    shown.or_default().push(read.returned);
                }
            }
        }
        for read in reads {
            if self.overlaps(read, |trouble| trouble == Trouble::Replica(read.replica)) {
                self.verdict.across_pauses += 1;
            }
            self.read(read);
        }
        self.verdict
    }

    fn read(&mut self, read: &Read) {
        match &read.outcome {
            Outcome::Failed { code, reason } => self.failure(read, *code, reason),
            // It carries no label, so it must be as true as a fresh one.
            Outcome::NotFound => {
                *self.verdict.checked.entry("not found").or_default() += 1;
                for key in keys(&read.asked) {
                    self.content(read, key, ABSENT, self.fresh_since(read, MAX_STALENESS), 0);
                }
            }
            Outcome::Answer {
                shown,
                version,
                stale,
                bound,
                near: _,
            } => {
                *self
                    .verdict
                    .checked
                    .entry(if *stale { "stale" } else { "fresh" })
                    .or_default() += 1;
                self.label(read, *version, *stale, *bound);
                let since = self.fresh_since(read, *bound);
                for (key, digest) in keys(&read.asked).into_iter().zip(shown) {
                    self.content(read, key, *digest, since, *version);
                }
            }
        }
    }

    /// The newest commit that must show when everything older than `bound` at the call must.
    fn fresh_since(&self, read: &Read, bound: Micros) -> Seq {
        self.timeline
            .returned_before(read.called.saturating_sub(bound))
    }

    fn label(&mut self, read: &Read, version: Seq, stale: bool, bound: Micros) {
        if !stale && bound > MAX_STALENESS {
            self.violation(
                Property::BoundedStaleness,
                read,
                &format!("fresh with a bound of {bound} µs"),
            );
        }
        if let Some(ticket) = read.ticket {
            self.verdict.with_ticket += 1;
            if version < ticket {
                self.violation(
                    Property::Ticket,
                    read,
                    &format!("version {version}, asked for {ticket}"),
                );
            }
        }
        let before = self
            .receipts
            .partition_point(|receipt| receipt.returned < read.called);
        let known = self.receipts[..before]
            .iter()
            .map(|receipt| receipt.version)
            .max();
        if let Some(known) = known.filter(|_| !stale) {
            self.verdict.after_receipt += 1;
            if version < known {
                self.violation(
                    Property::Receipt,
                    read,
                    &format!("fresh at version {version}, the receipt says {known}"),
                );
            }
        }
    }

    /// The content must have been so at some commit from `since` and `version` on, and sent by now.
    fn content(&mut self, read: &Read, key: Key, digest: Digest, since: Seq, version: Seq) {
        self.verdict.contents += 1;
        let latest = self.timeline.sent_before(read.returned);
        let spans = self.timeline.spans(key, digest);
        let version = self.timeline.place_of(version);
        let least = since.max(version);
        if spans
            .iter()
            .any(|(from, until)| *from <= latest && *until > least)
        {
            return;
        }
        let property = match spans.last() {
            None => Property::NoPhantom,
            Some(_) if spans.iter().all(|(from, _)| *from > latest) => Property::NoPhantom,
            Some((_, until)) if *until <= since => Property::BoundedStaleness,
            Some(_) => Property::Ticket,
        };
        let shown = self.history.description(digest);
        let why = format!(
            "{key:?} was so in {spans:?}, must be at least at {since} by time and {version} by version, sent up to {latest}: {shown}"
        );
        self.violation(property, read, &why);
    }

    fn failure(&mut self, read: &Read, code: Code, reason: &str) {
        if self.overlaps(read, |trouble| trouble == Trouble::Replica(read.replica)) {
            self.verdict.excused_by_replica += 1;
            return;
        }
        let away = |trouble| {
            matches!(trouble, Trouble::Databases)
                || trouble == Trouble::Database(read.replica)
                || trouble == Trouble::Waking(read.replica)
        };
        let began = self
            .windows
            .iter()
            .filter(|window| away(window.trouble) && overlap(window, read));
        let began = began.map(|window| window.from).min();
        let until = began.unwrap_or(read.called);
        let forgot = self.windows.iter().filter(|window| {
            window.trouble == Trouble::Forgot(read.replica) && window.from <= read.returned
        });
        let from = forgot.map(|window| window.until).max().unwrap_or(0);
        let is_warm = |key| {
            let shown = self.warm.get(&(read.replica, read.run, key));
            let times = shown.into_iter().flatten();
            let last = times.filter(|at| (from..until).contains(at)).max();
            last.is_some_and(|at| !self.was_absent(key, *at, read.returned))
        };
        let all_warm = keys(&read.asked).into_iter().all(is_warm);
        // An older copy would do for a caller without a ticket, so nothing excuses that it got none.
        let needs_database = read.ticket.is_some() || !all_warm;
        if needs_database && code == Code::Unavailable && began.is_some() {
            self.verdict.excused_by_database += 1;
            return;
        }
        let was_slow = began.is_some() || self.overlaps(read, |trouble| trouble == Trouble::Fills);
        if needs_database && was_slow && is_out_of_time(code, reason) {
            self.verdict.excused_by_slow_fills += 1;
            return;
        }
        self.violation(
            Property::Availability,
            read,
            &format!("{code:?} {reason}, warm: {all_warm}"),
        );
    }

    /// Whether there was no such row at some time: a copy that says so does not do without its label.
    fn was_absent(&self, key: Key, from: Micros, until: Micros) -> bool {
        let from = self.timeline.returned_before(from);
        let until = self.timeline.sent_before(until);
        let absent = self.timeline.spans(key, ABSENT);
        absent.iter().any(|span| span.0 <= until && span.1 > from)
    }

    fn overlaps(&self, read: &Read, is: impl Fn(Trouble) -> bool) -> bool {
        self.windows
            .iter()
            .any(|window| is(window.trouble) && overlap(window, read))
    }

    fn violation(&mut self, property: Property, read: &Read, why: &str) {
        let Read {
            replica,
            run,
            called,
            returned,
            asked,
            ticket,
            outcome,
        } = read;
        let answer = match outcome {
            Outcome::Answer {
                version,
                stale,
                bound,
                near,
                ..
            } => {
                format!("version {version}, stale {stale}, bound {bound} µs, near {near}")
            }
            Outcome::NotFound => "NOT_FOUND".to_owned(),
            Outcome::Failed { code, .. } => format!("{code:?}"),
        };
        let detail = format!(
            "replica {replica}.{run} [{called}..{returned} µs] {asked:?} ticket {ticket:?} -> {answer}: {why}"
        );
        self.verdict.violations.push(Violation { property, detail });
    }
}

/// The server says so, or the client does, which knows the deadline too.
fn is_out_of_time(code: Code, reason: &str) -> bool {
    code == Code::DeadlineExceeded
        || (code == Code::Cancelled && reason.ends_with("Timeout expired"))
}

fn overlap(window: &Window, read: &Read) -> bool {
    window.from <= read.returned && read.called <= window.until
}

fn keys(asked: &Asked) -> Vec<Key> {
    match asked {
        Asked::List(index) => vec![Key::List(*index)],
        Asked::Rows(rows) => rows.iter().map(|row| Key::Row(*row)).collect(),
    }
}
