//! Tips and records of attempts that the store did not take: they wait in memory until [`super::late_writer`] has offered
//! them again.
use std::sync::Arc;

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

use crate::{
    domain::{AttemptRecord, Tip, TipOrigin},
    telemetry::LineLimit,
};

/// How many wait at most. A tip has 64 KiB at most, and one or two are usual.
const WAITING_MAX: usize = 1_000;
/// Lines about what is given up.
static GIVEN_UP: LineLimit = LineLimit::new();

/// What the store did not take.
pub(super) enum LateWrite {
    Tip(Arc<Tip>, TipOrigin),
    Attempt(AttemptRecord),
}

/// Takes what the store did not. A clone sends to the same task.
#[derive(Clone)]
pub(super) struct LateWrites(Sender<(LateWrite, Instant)>);

/// The other end of [`LateWrites`].
pub(super) struct Waiting(pub(super) Receiver<(LateWrite, Instant)>);

impl LateWrites {
    pub(super) fn new() -> (Self, Waiting) {
        let (sender, receiver) = channel(WAITING_MAX);
        (Self(sender), Waiting(receiver))
    }

    /// Offers it later; where too many wait, or this replica has ended, it is given up.
    pub(super) fn push(&self, write: LateWrite) {
        if let Err(error) = self.0.try_send((write, Instant::now())) {
            error.into_inner().0.give_up();
        }
    }
}

impl LateWrite {
    /// Says that the database will not have it.
    pub(super) fn give_up(&self) {
        let Some(left_out) = GIVEN_UP.admit() else {
            return;
        };
        match self {
            Self::Tip(tip, _) => tracing::warn!(
                tip = %tip.key,
                left_out,
                "the database did not take a tip; it is written again when no replica and no Redis has it any more"
            ),
            Self::Attempt(record) => tracing::warn!(
                tip = %record.key,
                cost = record.cost_micro_usd,
                left_out,
                "an attempt is missing in the attempt ledger of the database"
            ),
        }
    }
}
