//! What each caller may ask for, and all that come from one address.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{limiter::Quota, service::Core};
use crate::domain::{CallerId, Error};

/// All callers of one address together get so many times what each of them gets, at one replica.
const NAMES_AN_ADDRESS: u32 = 10;

/// How many streams every caller has at this replica. It knows only those who have one.
#[derive(Debug)]
pub(super) struct Callers {
    at_once: AtomicUsize,
    streams: Mutex<HashMap<CallerId, usize>>,
}

/// One stream of a caller, until this is dropped.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit {
    caller: CallerId,
    callers: Arc<Callers>,
}

impl Callers {
    pub(super) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            at_once: AtomicUsize::new(at_once),
            streams: Mutex::default(),
        })
    }

    /// Sets how many streams each caller may have; nobody loses one.
    pub(super) fn set_at_once(&self, at_once: usize) {
        self.at_once.store(at_once, Relaxed);
    }

    /// One more stream, unless the caller has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, caller: &CallerId) -> Option<ConcurrencyPermit> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let count = streams.get(caller).copied().unwrap_or(0);
        if count >= self.at_once.load(Relaxed) {
            return None;
        }
        streams.insert(caller.clone(), count + 1);
        Some(ConcurrencyPermit {
            caller: caller.clone(),
            callers: Arc::clone(self),
        })
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let streams = &self.callers.streams;
        let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
        match streams.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(streams.remove(&self.caller)),
        }
    }
}

impl Core {
    /// Holds the caller to its limits.
    pub(super) async fn permit(
        &self,
        caller: &CallerId,
        address: Option<IpAddr>,
    ) -> Result<ConcurrencyPermit, Error> {
        let too_many = |what, retry_after| {
            self.stats.streams_refused.add(1);
            Error::Exhausted { what, retry_after }
        };
        let at_once = || too_many("tip streams at once", Duration::from_secs(1));
        let permit = self.callers.enter(caller).ok_or_else(at_once)?;
        let limits = self.caller_limits.lock();
        let limits = *limits.unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_makes_room_and_others_are_not_counted() {
        let callers = Callers::new(2);
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
        let callers = Callers::new(2);
        drop(callers.enter(&CallerId("ann".into())));
        assert!(callers.streams.lock().unwrap().is_empty());
    }
}
