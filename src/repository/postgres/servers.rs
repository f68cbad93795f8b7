//! The servers of one database, by the address of the database, and which of them is in use: one that
//! takes writes. A server that is found to be a standby, read-only or gone is left for the next one,
//! and the connections to it are closed when they come back or are asked for.
use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    address::{self, Server},
    live::Life,
    session::{self, Session, SessionTerms},
    unfit::{NoServer, Unfit, Unopened},
};
use crate::repository::{AddressSource, MigrationError};

/// While a server is looked for, an attempt that hangs is followed by another one after this long: packets of
/// the first may have been dropped, and it would be repeated late.
const STAGGER: Duration = Duration::from_millis(500);
/// An attempt that failed is followed by another one after this long; twice as long each time, up to [`STAGGER`].
const PAUSE: Duration = Duration::from_millis(100);

/// How long an answer is waited for on a connection that may be dead, once its server is known to answer: at most,
/// and at least where nothing but the answer to a ping is to come.
const LAST_WAIT: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// The servers that the address of the database names.
pub(super) struct Servers {
    /// Never empty.
    list: Vec<Server>,
    terms: SessionTerms,
    /// Where the addresses come from, when that can be read again.
    source: OnceLock<AddressSource>,
    state: Mutex<State>,
    /// One caller at a time looks for a server; the others take the result.
    look: Semaphore,
    /// Wakes those who wait on a connection that is in it.
    outdated: watch::Sender<Outdated>,
}

/// Which connections are not to be used as if nothing had happened.
#[derive(Clone, Copy, Default)]
struct Outdated {
    /// Those that were opened by then: their server was left, and what they say does not count.
    left_at: Option<Instant>,
    /// Those that were not heard since then: another one broke, or was silent, while its server answers new ones.
    suspected_at: Option<Instant>,
    /// How long that took to open a connection: longer than a ping on one that lives.
    opened_within: Duration,
}

impl Outdated {
    fn is_left(self, life: Life) -> bool {
        self.left_at.is_some_and(|at| life.opened_at <= at)
    }

    fn is_suspect(self, life: Life) -> bool {
        self.suspected_at.is_some_and(|at| life.heard_at <= at)
    }
}

struct State {
    /// The one in use, by its place in the list.
    used: usize,
    /// Where the next look begins.
    next: usize,
    /// Whether the one in use has to be looked at before another connection is opened.
    is_doubtful: bool,
    /// When a connection to the one in use broke, or was silent, which is why it has to be looked at.
    suspected_at: Option<Instant>,
    /// What the last attempt with each server came to, by its place.
    problems: Vec<Option<Unfit>>,
    /// When a look ended that found none.
    failed_at: Option<Instant>,
}

/// What a caller comes to who has to wait until a server is found.
enum Turn {
    /// He found it himself.
    Found(Session),
    /// There is one.
    Settled,
    None(NoServer),
}

impl Servers {
    /// Reads addresses of one server each, one a line; sessions are to be had on `terms`.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(super) fn parse(urls: &str, terms: SessionTerms) -> Result<Self, MigrationError> {
        let list = address::parse(urls)?;
        Ok(Self {
            state: Mutex::new(State {
                used: 0,
                next: 0,
                is_doubtful: true,
                suspected_at: None,
                problems: vec![None; list.len()],
                failed_at: None,
            }),
            list,
            terms,
            source: OnceLock::new(),
            look: Semaphore::new(1),
            outdated: watch::Sender::default(),
        })
    }

    pub(super) fn list(&self) -> &[Server] {
        &self.list
    }

    /// How long one attempt to connect may take.
    pub(super) fn patience(&self) -> Duration {
        let all = self.list.iter().map(|server| server.patience);
        all.max().unwrap_or_default()
    }

    /// Has `source` read when a log-in is refused.
    pub(super) fn renew_by(&self, source: AddressSource) {
        self.source.set(source).ok();
    }

    /// Takes the log-in that the source of the addresses has by now. Other servers need another start.
    fn renew(&self) {
        let read = self.source.get().and_then(|source| source());
        let Some(Ok(renewed)) = read.map(|urls| address::parse(&urls)) else {
            return;
        };
        let pairs = || self.list.iter().zip(&renewed);
        if renewed.len() == self.list.len() && pairs().all(|(own, new)| own.name == new.name) {
            pairs().for_each(|(own, new)| own.renew(new));
        }
    }

    /// The server in use.
    pub(super) fn used(&self) -> Option<&Server> {
        let used = self.state().used;
        self.list.get(used)
    }

    /// How long a statement of a session may run, as the server wants to be told.
    pub(super) fn statement_limit(&self) -> String {
        self.terms.limit()
    }

    /// The name of the server in use.
    pub(super) fn name(&self) -> String {
        self.used().map_or_else(String::new, |one| one.name.clone())
    }

    /// A connection broke, or is silent: its server is looked at before another one is opened. Once that answers, those
    /// that were not heard meanwhile are suspect.
    pub(super) fn suspect(&self, life: Life) {
        let mut state = self.state();
        // Of many that broke at once, one tells enough; one to a server that was left tells nothing of the next.
        if !state.is_doubtful && !self.is_suspect(life) && !self.is_left(life) {
            state.is_doubtful = true;
            state.suspected_at = Some(Instant::now());
        }
    }

    /// The server of a connection cannot be used: its connections are closed, and the next one is looked at.
    pub(super) fn leave(&self, life: Life) {
        // It was left already, and another one may be in use.
        if self.is_left(life) {
            return;
        }
        let mut state = self.state();
        state.next = self.after(state.used);
        state.is_doubtful = true;
        state.suspected_at = None;
        drop(state);
        self.note_left();
    }

    /// Whether the server of a connection was left since it was opened.
    pub(super) fn is_left(&self, life: Life) -> bool {
        self.outdated.borrow().is_left(life)
    }

    /// Whether a connection may be dead, because another one was.
    fn is_suspect(&self, life: Life) -> bool {
        self.outdated.borrow().is_suspect(life)
    }

    /// How long a connection that may be dead, because another one was, has to answer a ping; `None` for others.
    pub(super) fn suspicion(&self, life: Life) -> Option<Duration> {
        let outdated = *self.outdated.borrow();
        let limit = outdated.opened_within.clamp(SHORTEST_WAIT, LAST_WAIT);
        outdated.is_suspect(life).then_some(limit)
    }

    /// Whether a server is being looked for, so that connections had better not be used.
    pub(super) fn is_doubtful(&self) -> bool {
        self.state().is_doubtful
    }

    /// Waits until an answer on a connection is not worth waiting for any more: at once when its server was left, a
    /// little later when it became suspect.
    pub(super) async fn outdated(&self, life: Life) {
        let mut outdated = self.outdated.subscribe();
        let has = |outdated: &Outdated| outdated.is_left(life) || outdated.is_suspect(life);
        let found = outdated.wait_for(has).await;
        let is_left = found.is_ok_and(|outdated| outdated.is_left(life));
        if !is_left {
            sleep(LAST_WAIT).await;
        }
    }

    fn note_left(&self) {
        let now = Some(Instant::now());
        self.outdated.send_modify(|outdated| outdated.left_at = now);
    }

    /// What keeps every server from being used, for one who waited for `patience`; `None` while one is in use.
    pub(super) fn trouble(&self, patience: Duration) -> Option<NoServer> {
        self.is_doubtful().then(|| self.silence(patience))
    }

    /// What each server said last, or that it said nothing within `patience`.
    pub(super) fn silence(&self, patience: Duration) -> NoServer {
        let state = self.state();
        let problems = self.list.iter().zip(&state.problems);
        let problems = problems.map(|(server, problem)| {
            let silent = || Unfit::Silent(server.name.clone(), patience);
            problem.clone().unwrap_or_else(silent)
        });
        NoServer(problems.collect())
    }

    /// A connection to a server that takes writes, looked for where that is in doubt; `None` when it turns out
    /// that no attempt has begun and nobody wants it any more.
    pub(super) async fn connect(
        &self,
        is_wanted: impl Fn() -> bool + Send + Sync,
    ) -> Result<Option<Session>, Unopened> {
        loop {
            match self.turn().await {
                Turn::Found(session) => return Ok(Some(session)),
                Turn::Settled => {}
                Turn::None(none) => return Err(Unopened::NoServer(none)),
            }
            let (true, Some(server)) = (is_wanted(), self.used()) else {
                return Ok(None);
            };
            let life = Life::new();
            match session::open(server, &self.terms).await {
                Ok(session) => return Ok(Some(session)),
                Err(unfit @ Unfit::Full { .. }) => return Err(Unopened::Full(unfit)),
                Err(Unfit::Standby(_) | Unfit::ReadOnly(_) | Unfit::RefusedWrite(_)) => {
                    self.leave(life);
                }
                Err(Unfit::Silent(..) | Unfit::Unusable { .. } | Unfit::Refused { .. }) => {
                    self.suspect(life);
                }
            }
        }
    }

    /// Waits while a server is looked for; looks, if nobody else does.
    async fn turn(&self) -> Turn {
        if !self.is_doubtful() {
            return Turn::Settled;
        }
        let asked = Instant::now();
        let _turn = self.look.acquire().await;
        if let Some(known) = self.known_since(asked) {
            return known;
        }
        let found = self.look_around().await;
        found.unwrap_or_else(|| Turn::None(self.silence(asked.elapsed())))
    }

    /// What the look of somebody else came to.
    fn known_since(&self, asked: Instant) -> Option<Turn> {
        let state = self.state();
        if !state.is_doubtful {
            return Some(Turn::Settled);
        }
        let has_failed = state.failed_at.is_some_and(|at| at >= asked);
        drop(state);
        has_failed.then(|| Turn::None(self.silence(asked.elapsed())))
    }

    /// Asks one server after the other, from the one in use or the one after it, until one can be used, for as
    /// long as one attempt may take. Attempts that hang go on meanwhile.
    async fn look_around(&self) -> Option<Turn> {
        self.state().problems.fill(None);
        let ends = Instant::now() + self.patience();
        let (mut attempts, mut due) = (FuturesUnordered::new(), Instant::now());
        let (mut begun, mut pause) = (0, PAUSE);
        loop {
            tokio::select! {
                Some((place, took, opened)) = attempts.next() => match opened {
                    Ok(session) => {
                        self.found(place, took);
                        return Some(Turn::Found(session));
                    }
                    // It lives, and so may the connections that there are.
                    Err(Unfit::Full { .. }) if self.is_suspected(place) => {
                        self.found(place, took);
                        return Some(Turn::Settled);
                    }
                    Err(unfit) => {
                        if matches!(unfit, Unfit::Refused { .. }) {
                            self.renew();
                        }
                        self.note(place, unfit);
                        let is_new_to_come = begun < self.list.len();
                        let wait = if is_new_to_come { Duration::ZERO } else { pause };
                        due = due.min(Instant::now() + wait);
                        pause = (pause * 2).min(STAGGER);
                    }
                },
                () = sleep_until(due) => {
                    // Noted before it answers: a caller who gives up leaves the next one to his successor.
                    let (place, server) = self.take_next()?;
                    let (opening, start) = (session::open(server, &self.terms), Instant::now());
                    attempts.push(async move {
                        let opened = opening.await;
                        (place, start.elapsed(), opened)
                    });
                    begun += 1;
                    due = Instant::now() + STAGGER;
                }
                () = sleep_until(ends) => {
                    self.state().failed_at = Some(Instant::now());
                    return None;
                }
            }
        }
    }

    fn take_next(&self) -> Option<(usize, &Server)> {
        let mut state = self.state();
        let place = state.next;
        state.next = self.after(place);
        Some((place, self.list.get(place)?))
    }

    fn note(&self, place: usize, unfit: Unfit) {
        if let Some(problem) = self.state().problems.get_mut(place) {
            *problem = Some(unfit);
        }
    }

    /// Whether this server is in use, and only looked at because a connection broke or was silent.
    fn is_suspected(&self, place: usize) -> bool {
        let state = self.state();
        state.used == place && state.suspected_at.is_some()
    }

    /// The server at this place of the list takes writes; that is news where it is the one in use.
    pub(super) fn confirm(&self, place: usize) {
        if self.state().used == place {
            self.found(place, Duration::ZERO);
        }
    }

    fn found(&self, place: usize, took: Duration) {
        let mut state = self.state();
        let is_another = state.used != place;
        (state.used, state.next) = (place, place);
        state.is_doubtful = false;
        let suspected_at = state.suspected_at.take();
        let problems = std::mem::replace(&mut state.problems, vec![None; self.list.len()]);
        drop(state);
        if is_another {
            self.note_left();
            let (server, cause) = (
                self.name(),
                NoServer(problems.into_iter().flatten().collect()),
            );
            tracing::info!(%server, %cause, "another database server is in use");
        } else if suspected_at.is_some() {
            self.outdated.send_modify(|outdated| {
                outdated.suspected_at = suspected_at;
                outdated.opened_within = took;
            });
        }
    }

    fn after(&self, place: usize) -> usize {
        (place + 1).checked_rem(self.list.len()).unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
