//! Offers the store again what it did not take, until it does.
//!
//! One task offers all of it, one after another, so that a database which comes back is not met by everything at once. What
//! is left when the replica ends is offered once more, until the first that fails.
use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::AttemptRecorder,
    late_writes::{LateWrite, Waiting},
    tiers::TipTiers,
};

/// How long one is offered. A database that is away for longer is known to its operators.
const OFFERED: Duration = Duration::from_hours(1);
/// The pause between two offers, and what it grows to.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct LateWriter {
    pub(super) tiers: Arc<TipTiers>,
    pub(super) recorder: Arc<AttemptRecorder>,
    pub(super) waiting: Waiting,
}

impl LateWriter {
    /// Works until `stop`, and then through what is left.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while let Some((write, since)) = self.next(&stop).await {
            let mut pause = PAUSE;
            while !self.offer(&write).await {
                if stop.is_cancelled() {
                    write.give_up();
                    return self.give_up_all();
                }
                if since.elapsed() > OFFERED {
                    write.give_up();
                    break;
                }
                stop.run_until_cancelled(sleep(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    async fn next(&mut self, stop: &CancellationToken) -> Option<(LateWrite, Instant)> {
        let queue = &mut self.waiting.0;
        match stop.run_until_cancelled(queue.recv()).await {
            Some(next) => next,
            None => queue.try_recv().ok(),
        }
    }

    /// False when the store is away.
    async fn offer(&self, write: &LateWrite) -> bool {
        match write {
            LateWrite::Tip(tip, origin) => self.tiers.try_save(tip, origin).await,
            LateWrite::Attempt(record) => self.recorder.try_record(record).await,
        }
    }

    fn give_up_all(mut self) {
        while let Ok((write, _)) = self.waiting.0.try_recv() {
            write.give_up();
        }
    }
}
