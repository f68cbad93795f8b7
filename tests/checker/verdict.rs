//! What a run is found to have shown. `docs/consistency.md` states the rules in words.
use std::collections::BTreeMap;

use crate::history::Micros;

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
    /// Other programs' statements fail for no reason of ours.
    Writers,
}

impl Property {
    pub const ALL: [(Self, &str); 8] = [
        (Self::BoundedStaleness, "P1 bounded staleness"),
        (Self::Receipt, "P2 receipts"),
        (Self::Ticket, "P3 tickets and versions"),
        (Self::Convergence, "P4 convergence"),
        (Self::Herd, "P5 herd"),
        (Self::Availability, "P6 availability"),
        (Self::NoPhantom, "P7 nothing that never was"),
        (Self::Writers, "P8 writers never fail"),
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
    /// Tickets of a history that had ended, which are refused.
    pub excused_by_promotion: usize,
    /// Calls in flight while their replica was stopped or killed; judged like all others.
    pub across_pauses: usize,
}
