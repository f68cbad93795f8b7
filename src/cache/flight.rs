use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::DefaultHashBuilder;
use tokio::{sync::watch, time::Instant};

use super::{entry::Entry, key::ReadKey};
use crate::domain::{Error, Source};

/// What a load came to, for everyone who waited.
pub(super) type Outcome = Result<Loaded, LoadFailure>;

/// An entry that a load brought.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) entry: Arc<Entry>,
    pub(super) source: Source,
    /// When the reading statement was sent: who called before this may take
    /// the entry whatever was committed since. `None` when it came out of a cache.
    pub(super) read_from: Option<Instant>,
}

/// A load that failed; the cause was logged where it happened. Whatever it was, an older copy may do,
/// if the catalog allows it.
#[derive(Clone, Debug)]
pub(super) struct LoadFailure {
    why: FailureKind,
    /// What the shared cache has, if anything.
    pub(super) stale: Option<Arc<Entry>>,
}

/// What callers without a copy are told of a load that failed.
#[derive(Clone, Copy, Debug)]
enum FailureKind {
    /// The database does not answer, or not in time.
    Unavailable { retry_after: Duration },
    /// A fault of ours, or a load that ended without an outcome.
    Internal,
}

impl LoadFailure {
    /// The load failed with `error`.
    pub(super) const fn of(error: &Error, stale: Option<Arc<Entry>>) -> Self {
        let why = match error {
            Error::Unavailable { retry_after, .. } => FailureKind::Unavailable {
                retry_after: *retry_after,
            },
            Error::Invalid(_)
            | Error::InvalidPageToken(_)
            | Error::NotFound { .. }
            | Error::UnknownTag(_)
            | Error::Refused(_)
            | Error::EditForbidden { .. }
            | Error::UnknownControl { .. }
            | Error::EtagMismatch { .. }
            | Error::OtherEnvironment(_)
            | Error::UnderWay(_)
            | Error::Exhausted { .. }
            | Error::Declined
            | Error::NoTipsProvider
            | Error::DeadlineExceeded
            | Error::Internal { .. } => FailureKind::Internal,
        };
        Self { why, stale }
    }

    /// The caller cannot wait for the load any longer.
    pub(super) const fn too_slow() -> Self {
        Self {
            why: FailureKind::Unavailable {
                retry_after: Duration::from_millis(100),
            },
            stale: None,
        }
    }

    /// The load ended without an outcome.
    const fn without_outcome() -> Self {
        Self {
            why: FailureKind::Internal,
            stale: None,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self.why {
            FailureKind::Unavailable { retry_after } => Error::Unavailable {
                why: crate::domain::Unavailability::Datastore,
                retry_after,
                source: None,
            },
            FailureKind::Internal => Error::Internal {
                context: "loading from the catalog",
                source: None,
            },
        }
    }
}

/// With the near cache's hasher: keys are long, and every load hashes its key twice.
type UnderWay = HashMap<ReadKey, watch::Receiver<Option<Outcome>>, DefaultHashBuilder>;

/// The loads under way: one for each key, however many wait for it.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<UnderWay>,
}

/// The duty to say how the load of one key ended. Dropped without a word, it says `Internal`.
#[derive(Debug)]
pub(super) struct Landing {
    key: ReadKey,
    outcome: watch::Sender<Option<Outcome>>,
    flights: Arc<Flights>,
}

/// A place to wait for one load.
#[derive(Debug)]
pub(super) struct Seat(watch::Receiver<Option<Outcome>>);

impl Flights {
    /// Joins the load of `key`, or starts one: then the landing is yours.
    pub(super) fn join(self: &Arc<Self>, key: &ReadKey) -> (Seat, Option<Landing>) {
        let mut under_way = self.lock();
        if let Some(outcome) = under_way.get(key) {
            return (Seat(outcome.clone()), None);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        let landing = Landing {
            key: key.clone(),
            outcome: sender,
            flights: Arc::clone(self),
        };
        (Seat(receiver), Some(landing))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Landing {
    pub(super) fn key(&self) -> &ReadKey {
        &self.key
    }

    /// Ends the load for everyone. Who comes after this starts a new one.
    pub(super) fn land(self, outcome: Outcome) {
        self.flights.lock().remove(&self.key);
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.flights.lock().remove(&self.key);
            let failure = LoadFailure::without_outcome();
            self.outcome.send_replace(Some(Err(failure)));
        }
    }
}

impl Seat {
    /// Waits for the end of the load.
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome
                .clone()
                .unwrap_or_else(|| Err(LoadFailure::without_outcome())),
            Err(_) => Err(LoadFailure::without_outcome()),
        }
    }
}
