//! Limits the tip streams of each caller, and those of all callers at one address.
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    CallerLimits, TipStats,
    limiter::{Limiter, Quota},
};
use crate::domain::{CallerId, Error};

/// How many times the streams of one caller all callers of one address may have together, at one replica.
const NAMES_AN_ADDRESS: u32 = 10;

/// How many streams every caller has at this replica. It knows only those who have one.
pub(super) struct Callers {
    state: Mutex<CallerState>,
    limiter: Arc<Limiter>,
    stats: Arc<TipStats>,
}

struct CallerState {
    limits: CallerLimits,
    streams: HashMap<CallerId, usize>,
}

/// One stream of a caller, until this is dropped.
pub(super) struct ConcurrencyPermit {
    caller: CallerId,
    callers: Arc<Callers>,
}

impl Callers {
    pub(super) fn new(
        limits: CallerLimits,
        limiter: &Arc<Limiter>,
        stats: &Arc<TipStats>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(CallerState {
                limits,
                streams: HashMap::new(),
            }),
            limiter: Arc::clone(limiter),
            stats: Arc::clone(stats),
        })
    }

    /// Sets other limits; open streams go on.
    pub(super) fn set_limits(&self, limits: CallerLimits) {
        self.state.lock().limits = limits;
    }

    /// One more stream, unless the caller has as many as it may.
    fn enter(self: &Arc<Self>, caller: &CallerId) -> Option<ConcurrencyPermit> {
        let mut state = self.state.lock();
        let count = state.streams.get(caller).copied().unwrap_or(0);
        if count >= state.limits.at_once {
            return None;
        }
        state.streams.insert(caller.clone(), count + 1);
        Some(ConcurrencyPermit {
            caller: caller.clone(),
            callers: Arc::clone(self),
        })
    }

    /// Holds the caller to its limits.
    pub(super) async fn permit(
        self: &Arc<Self>,
        caller: &CallerId,
        address: Option<IpAddr>,
    ) -> Result<ConcurrencyPermit, Error> {
        let too_many = |what, retry_after| {
            self.stats.streams_refused.add(1);
            Error::Exhausted { what, retry_after }
        };
        let at_once = || too_many("tip streams at once", Duration::from_secs(1));
        let permit = self.enter(caller).ok_or_else(at_once)?;
        let limits = self.state.lock().limits;
        let quota = Quota {
            per_minute: limits.per_minute,
            burst: limits.burst,
        };
        // Names cost nothing, addresses do.
        if let Some(address) = address {
            let all = quota.times(NAMES_AN_ADDRESS);
            let taken = self
                .limiter
                .take_here(&format!("from {address}"), &[("streams", all, 1)]);
            taken.map_err(|wait| too_many("tip streams in a minute from one address", wait))?;
        }
        let subject = format!("caller {}", caller.0);
        let taken = self.limiter.take(&subject, &[("streams", quota, 1)]).await;
        taken.map_err(|wait| too_many("tip streams in a minute", wait))?;
        Ok(permit)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut state = self.callers.state.lock();
        match state.streams.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(state.streams.remove(&self.caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    fn callers() -> Arc<Callers> {
        let limits = CallerLimits {
            per_minute: 60,
            burst: 60,
            at_once: 2,
        };
        let limiter = Limiter::new(None, 1, TaskTracker::new());
        Callers::new(limits, &limiter, &Arc::default())
    }

    #[test]
    fn a_stream_that_ends_makes_room_and_others_are_not_counted() {
        let callers = callers();
        let (ann, ben) = (CallerId("ann".into()), CallerId("ben".into()));
        let first = callers.enter(&ann).unwrap();
        let _second = callers.enter(&ann).unwrap();
        assert!(callers.enter(&ann).is_none());
        assert!(callers.enter(&ben).is_some());
        drop(first);
        assert!(callers.enter(&ann).is_some());
    }

    #[test]
    fn a_caller_without_streams_is_forgotten() {
        let callers = callers();
        drop(callers.enter(&CallerId("ann".into())));
        assert!(callers.state.lock().streams.is_empty());
    }
}
