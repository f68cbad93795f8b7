//! Judges what answers show. `docs/consistency.md` states the rules in words.
use std::collections::{HashMap, HashSet};

use crate::{
    catalog::{ABSENT, Digest},
    cluster::Branch,
    history::{
        Asked, Effect, History, HistoryId, Log, Micros, Outcome, Read, Seq, Trouble, Version,
        Window,
    },
    timeline::{Key, Timeline, newest_before, newest_by_time},
    verdict::{MAX_STALENESS, Property, Verdict, Violation},
};

pub struct Judge<'a> {
    pub log: &'a Log,
    /// One for each server that was the primary.
    pub timelines: Vec<Timeline>,
    pub verdict: Verdict,
    /// When a replica has shown what from its near cache, and of which history: (replica, run, key).
    pub warm: HashMap<(usize, u32, Key), Vec<(Micros, HistoryId)>>,
    /// When a replica has answered, and of which history: (replica, run).
    pub answered: HashMap<(usize, u32), Vec<(Micros, HistoryId)>>,
    history: &'a History,
    /// The server whose numbers the versions of a history have.
    branches: HashMap<HistoryId, usize>,
    /// The transactions that took effect on each server.
    has: Vec<HashSet<i64>>,
    receipts: Receipts,
}

/// The receipts there are, by the time when they had returned.
#[derive(Default)]
struct Receipts {
    /// The newest version of each history.
    versions: HashMap<HistoryId, Vec<(Micros, Seq)>>,
    /// The last term of those that promise something of every replica.
    terms: Vec<(Micros, Seq)>,
}

impl Receipts {
    /// What a fresh answer must have, of `history`, and the term that it must not be older than; none
    /// before the first receipt.
    fn known_before(&self, time: Micros, history: HistoryId) -> Option<(Seq, usize)> {
        let versions = self.versions.get(&history).map_or(&[][..], Vec::as_slice);
        let (version, term) = (
            newest_before(versions, time),
            newest_before(&self.terms, time),
        );
        (version > 0 || term > 0).then(|| (version, usize::try_from(term).unwrap()))
    }
}

/// What an answer is found to be wrong in.
type Wrong = (Property, String);

impl<'a> Judge<'a> {
    pub fn new(history: &'a History, log: &'a Log, branches: &[Branch]) -> Self {
        let writes = log
            .writes
            .iter()
            .map(|write| (write.token, write))
            .collect();
        let timelines = branches.iter().enumerate().map(|(number, branch)| {
            let first_term = log.terms.iter().find(|term| term.branch == number);
            Timeline::of(&writes, branch, first_term.map_or(0, |term| term.from))
        });
        // One that gave no number has the history of its parent, whose versions these are.
        let names = branches.iter().enumerate().rev();
        let names = names.map(|(number, branch)| (branch.history, number));
        let mut judge = Self {
            log,
            timelines: timelines.collect(),
            verdict: Verdict::default(),
            warm: HashMap::new(),
            answered: HashMap::new(),
            history,
            branches: names.collect(),
            has: branches.iter().map(Branch::tokens).collect(),
            receipts: Receipts::default(),
        };
        judge.receipts = judge.receipts();
        judge
    }

    fn receipts(&self) -> Receipts {
        let (mut versions, mut terms) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for receipt in &self.log.receipts {
            let Version { history, seq } = receipt.version;
            versions
                .entry(history)
                .or_default()
                .push((receipt.returned, seq));
            // It promises nothing of a replica that may be at the server of before.
            if receipt.unproven == 0 {
                let term = self.term_of(receipt.version, receipt.returned);
                terms.push((receipt.returned, u64::try_from(term).unwrap()));
            }
        }
        let versions = versions.into_iter();
        Receipts {
            versions: versions
                .map(|(of, times)| (of, newest_by_time(times)))
                .collect(),
            terms: newest_by_time(terms),
        }
    }

    pub fn judge(mut self) -> Verdict {
        for problem in &self.log.failed_writes {
            self.verdict.violations.push(Violation {
                property: Property::Writers,
                detail: problem.clone(),
            });
        }
        self.note_answers();
        for read in &self.log.reads {
            if self.overlaps(read, |trouble| trouble == Trouble::Replica(read.replica)) {
                self.verdict.across_pauses += 1;
            }
            self.read(read);
        }
        self.verdict
    }

    fn note_answers(&mut self) {
        for read in &self.log.reads {
            let Outcome::Answer { near, version, .. } = read.outcome else {
                continue;
            };
            let told = (read.returned, version.history);
            let answered = self.answered.entry((read.replica, read.run));
            answered.or_default().push(told);
            for key in keys(&read.asked).into_iter().filter(|_| near) {
                let shown = self.warm.entry((read.replica, read.run, key));
                shown.or_default().push(told);
            }
        }
    }

    fn read(&mut self, read: &Read) {
        match &read.outcome {
            Outcome::Failed { code, reason } => self.failure(read, *code, reason),
            Outcome::NotFound => {
                self.count("not found", 1);
                if let Err(wrong) = self.absence(read) {
                    self.violation(read, wrong);
                }
            }
            Outcome::Answer {
                shown,
                version,
                stale,
                bound,
                near: _,
            } => {
                self.count(if *stale { "stale" } else { "fresh" }, shown.len());
                let checks = [
                    if *stale {
                        Ok(())
                    } else {
                        self.freshness(read, *version, *bound)
                    },
                    self.ticket(read, *version),
                    self.branch_of(*version)
                        .and_then(|branch| self.content(read, branch, shown, *bound, version.seq)),
                ];
                for wrong in checks.into_iter().filter_map(Result::err) {
                    self.violation(read, wrong);
                }
            }
        }
    }

    fn count(&mut self, label: &'static str, contents: usize) {
        *self.verdict.checked.entry(label).or_default() += 1;
        self.verdict.contents += contents;
    }

    /// An answer without a label must be as true as a fresh one, in whichever history it was given.
    fn absence(&self, read: &Read) -> Result<(), Wrong> {
        let mut wrong = None;
        for branch in 0..self.timelines.len() {
            match self.content(read, branch, &[ABSENT], MAX_STALENESS, 0) {
                Ok(()) => return Ok(()),
                // The newest server is the likeliest, unless it was none yet.
                Err(found) if self.is_in_use(branch, read, MAX_STALENESS) => wrong = Some(found),
                Err(found) => wrong = wrong.or(Some(found)),
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    pub fn branch_of(&self, version: Version) -> Result<usize, Wrong> {
        let branch = self.branches.get(&version.history).copied();
        branch.ok_or_else(|| {
            let why = format!("history {:x} is that of no server", version.history);
            (Property::NoPhantom, why)
        })
    }

    /// Whether the server could be asked at any time in which the answer can have been confirmed.
    fn is_in_use(&self, branch: usize, read: &Read, bound: Micros) -> bool {
        let confirmed = read.called.saturating_sub(bound);
        let mut terms = self.log.terms.iter();
        terms.any(|term| {
            term.branch == branch && term.from <= read.returned && confirmed <= term.until
        })
    }

    /// The server if it was in use, or the one that took over from it: that has its history until it
    /// gives a number of its own.
    fn heir_of(&self, branch: usize, read: &Read, bound: Micros) -> Option<usize> {
        let mut heirs = branch..self.timelines.len();
        heirs.find(|heir| self.is_in_use(*heir, read, bound))
    }

    /// P1 and P2, of an answer that is called fresh.
    fn freshness(&mut self, read: &Read, version: Version, bound: Micros) -> Result<(), Wrong> {
        if bound > MAX_STALENESS {
            let why = format!("fresh with a bound of {bound} µs");
            return Err((Property::BoundedStaleness, why));
        }
        let known = self.receipts.known_before(read.called, version.history);
        self.verdict.after_receipt += usize::from(known.is_some());
        let Some((least, term)) = known else {
            return Ok(());
        };
        if version.seq < least {
            let why = format!("fresh at {}, the receipt says {least}", version.seq);
            return Err((Property::Receipt, why));
        }
        let told = self.term_of(version, read.returned);
        if told < term {
            let why = format!("fresh in term {told}, and there is a receipt of term {term}");
            return Err((Property::Receipt, why));
        }
        Ok(())
    }

    /// The last term before `time` that a version can be of.
    fn term_of(&self, version: Version, time: Micros) -> usize {
        let branch = self.branches.get(&version.history);
        let terms = self.log.terms.iter().enumerate();
        let of_it = terms.filter(|(_, term)| term.from <= time && branch == Some(&term.branch));
        of_it.map(|(index, _)| index).next_back().unwrap_or(0)
    }

    /// P3: an answer to a ticket is of its history, and has at least its version.
    fn ticket(&mut self, read: &Read, version: Version) -> Result<(), Wrong> {
        let Some(ticket) = read.ticket else {
            return Ok(());
        };
        self.verdict.with_ticket += 1;
        if version.history == ticket.history && version.seq >= ticket.seq {
            return Ok(());
        }
        Err((
            Property::Ticket,
            format!("{version:?}, asked for {ticket:?}"),
        ))
    }

    /// P1, P3 and P7: each of `shown` must have been so on the server at some commit that had been sent by
    /// now, is in `version` or newer, and is none older than all that had returned `bound` before the call.
    fn content(
        &self,
        read: &Read,
        branch: usize,
        shown: &[Digest],
        bound: Micros,
        version: Seq,
    ) -> Result<(), Wrong> {
        let Some(branch) = self.heir_of(branch, read, bound) else {
            let why = format!(
                "confirmed at most {bound} µs before the call by server {branch}, which was not in use"
            );
            return Err((Property::BoundedStaleness, why));
        };
        let timeline = &self.timelines[branch];
        let confirmed = read.called.saturating_sub(bound);
        let since = timeline.returned_before(confirmed);
        let latest = timeline.sent_before(read.returned);
        let version = timeline.place_of(version);
        let least = since.max(version);
        for (key, digest) in keys(&read.asked).into_iter().zip(shown) {
            let spans = timeline.spans(key, *digest);
            if spans
                .iter()
                .any(|span| span.from <= latest && span.until > least && span.lacks >= confirmed)
            {
                continue;
            }
            let property = if spans.iter().all(|span| span.from > latest) {
                Property::NoPhantom
            } else if spans
                .iter()
                .all(|span| span.until <= since || span.lacks < confirmed)
            {
                Property::BoundedStaleness
            } else {
                Property::Ticket
            };
            let spans = spans.iter().map(|span| (span.from, span.until, span.lacks));
            let spans: Vec<_> = spans.collect();
            let text = self.history.description(*digest);
            let text = format!("{text} {}", self.origin(*digest));
            let why = format!(
                "{key:?} was so on server {branch} in {spans:?}, must be at least at {since} by time and {version} by version, sent up to {latest}: {text}"
            );
            return Err((property, why));
        }
        Ok(())
    }

    /// For people: which write made a row so, and the servers that have it.
    fn origin(&self, digest: Digest) -> String {
        let made = |effect: &Effect| match effect {
            Effect::Put(row) => row.digest() == digest,
            Effect::Gone(_) | Effect::Empty => false,
        };
        let mut writes = self.log.writes.iter();
        let Some(write) = writes.find(|write| write.effects.iter().any(made)) else {
            return String::new();
        };
        let branches = self.has.iter().enumerate();
        let has = branches.filter(|(_, has)| has.contains(&write.token));
        let has: Vec<_> = has.map(|(branch, _)| branch).collect();
        format!(
            "by transaction {} ({} to {:?} µs) on servers {has:?}",
            write.token, write.sent, write.returned
        )
    }

    pub fn overlaps(&self, read: &Read, is: impl Fn(Trouble) -> bool) -> bool {
        let mut windows = self.log.windows.iter();
        windows.any(|window| is(window.trouble) && overlap(window, read))
    }

    pub fn violation(&mut self, read: &Read, (property, why): Wrong) {
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
                let Version { history, seq } = version;
                format!(
                    "version {seq} of {history:x}, stale {stale}, bound {bound} µs, near {near}"
                )
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

pub fn overlap(window: &Window, read: &Read) -> bool {
    window.from <= read.returned && read.called <= window.until
}

pub fn keys(asked: &Asked) -> Vec<Key> {
    match asked {
        Asked::List(index) => vec![Key::List(*index)],
        Asked::Rows(rows) => rows.iter().map(|row| Key::Row(*row)).collect(),
    }
}
