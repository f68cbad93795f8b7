//! Judges calls that failed: what excuses them. `docs/consistency.md` states the rules in words.
use tonic::Code;

use crate::{
    catalog::ABSENT,
    history::{HistoryId, Micros, Read, Trouble},
    judge::{Judge, keys, overlap},
    timeline::Key,
    verdict::Property,
};

impl Judge<'_> {
    pub fn failure(&mut self, read: &Read, code: Code, reason: &str) {
        if self.overlaps(read, |trouble| trouble == Trouble::Replica(read.replica)) {
            self.verdict.excused_by_replica += 1;
            return;
        }
        if code == Code::InvalidArgument && self.is_ticket_of_the_past(read) {
            self.verdict.excused_by_promotion += 1;
            return;
        }
        let away = |trouble| {
            matches!(trouble, Trouble::Databases)
                || trouble == Trouble::Database(read.replica)
                || trouble == Trouble::Waking(read.replica)
        };
        let windows = self.log.windows.iter();
        let began = windows.filter(|window| away(window.trouble) && overlap(window, read));
        let began = began.map(|window| window.from).min();
        let until = began.unwrap_or(read.called);
        let forgot = self.log.windows.iter().filter(|window| {
            window.trouble == Trouble::Forgot(read.replica) && window.from <= read.returned
        });
        let from = forgot.map(|window| window.until).max().unwrap_or(0);
        let is_warm = |key| {
            let shown = self.warm.get(&(read.replica, read.run, key));
            let times = shown.into_iter().flatten();
            let last = times.filter(|(at, _)| (from..until).contains(at)).max();
            last.is_some_and(|(at, history)| {
                !self.was_absent(key, *at, read.returned) && !self.has_left(*history, (*at, read))
            })
        };
        let all_warm = keys(&read.asked).into_iter().all(is_warm);
        // An older copy would do for a caller without a ticket, so nothing excuses that it got none.
        let needs_database = read.ticket.is_some() || !all_warm;
        if needs_database && code == Code::Unavailable && began.is_some() {
            self.verdict.excused_by_database += 1;
            return;
        }
        let was_slow = began.is_some() || self.overlaps(read, |trouble| trouble == Trouble::Fills);
        // Where statements hold every connection, the next one is not waited for without end.
        let is_held_up = code == Code::Unavailable || is_out_of_time(code, reason);
        if needs_database && was_slow && is_held_up {
            self.verdict.excused_by_slow_fills += 1;
            return;
        }
        let why = format!("{code:?} {reason}, warm: {all_warm}");
        self.violation(read, (Property::Availability, why));
    }

    /// Whether the ticket is of a server that was in use no longer, or another one was beside the call.
    fn is_ticket_of_the_past(&self, read: &Read) -> bool {
        let Some(branch) = read.ticket.and_then(|ticket| self.branch_of(ticket).ok()) else {
            return false;
        };
        let mut terms = self.log.terms.iter();
        terms.any(|term| {
            term.branch != branch && term.from <= read.returned && read.called <= term.until
        })
    }

    /// Whether the replica has answered from another history since: it has no copy from before.
    ///
    /// How long a replica takes to find the server that took over is not known, so no window of time tells this.
    fn has_left(&self, history: HistoryId, (since, read): (Micros, &Read)) -> bool {
        let answered = self.answered.get(&(read.replica, read.run));
        let mut later = answered.into_iter().flatten();
        later.any(|(at, other)| (since..=read.returned).contains(at) && *other != history)
    }

    /// Whether there was no such row at some time: a copy that says so does not do without its label.
    fn was_absent(&self, key: Key, from: Micros, until: Micros) -> bool {
        self.timelines.iter().any(|timeline| {
            let (from, until) = (timeline.returned_before(from), timeline.sent_before(until));
            let mut absent = timeline.spans(key, ABSENT).iter();
            absent.any(|span| span.from <= until && span.until > from)
        })
    }
}

/// The server says so, or the client does, which knows the deadline too.
fn is_out_of_time(code: Code, reason: &str) -> bool {
    code == Code::DeadlineExceeded
        || (code == Code::Cancelled && reason.ends_with("Timeout expired"))
}
