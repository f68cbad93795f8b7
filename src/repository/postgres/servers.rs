//! Failover between the servers of one database: which of them is in use, and the search for another one.
//!
//! The server in use accepts writes. When it turns out to be a standby, read-only or unreachable, the next server
//! is tried, and the connections to the abandoned one are closed when they are returned or taken.
use std::{sync::OnceLock, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    server_address::{self, Server},
    server_error::{NoUsableServer, ServerError},
    session::{self, ConnectionTimes, Session},
};
use crate::repository::{AddressSource, MigrationError};

/// During a search, a connection attempt without an answer is followed by another one after this long: the packets
/// of the first may have been dropped, and TCP resends them late.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(500);
/// A failed attempt is followed by another one after this long; the pause doubles up to [`ATTEMPT_INTERVAL`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection that may be broken has to answer once its server answers new ones. The minimum applies to
/// pings, which take no longer than it took to connect.
const SUSPECT_TIMEOUT: Duration = Duration::from_secs(1);
const MIN_PING_TIMEOUT: Duration = Duration::from_millis(200);

/// The servers of the database.
pub(super) struct Servers {
    /// Never empty.
    list: Vec<Server>,
    /// The time limit of statements.
    pub(super) statement_timeout: Duration,
    /// Where the addresses can be read again.
    source: OnceLock<AddressSource>,
    state: Mutex<SearchState>,
    /// One caller at a time searches; the others take its result.
    search: Semaphore,
    /// Wakes callers that wait for an answer on a stale connection.
    stale: watch::Sender<StaleConnections>,
}

/// Why a connection was not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// All connections of the server are in use.
    Full(ServerError),
    NoUsableServer(NoUsableServer),
}

/// The connections that must not be used without a check.
#[derive(Clone, Copy, Default)]
struct StaleConnections {
    /// Connections opened up to here are to an abandoned server: their answers do not count.
    abandoned_at: Option<Instant>,
    /// Connections that had no answer since then are suspect: another one broke or got no answer, while the server
    /// accepts new ones.
    suspected_at: Option<Instant>,
    /// How long opening a new connection took then: longer than a ping on one that works.
    opened_within: Duration,
}

impl StaleConnections {
    fn is_abandoned(self, times: ConnectionTimes) -> bool {
        self.abandoned_at.is_some_and(|at| times.opened_at <= at)
    }

    fn is_suspect(self, times: ConnectionTimes) -> bool {
        self.suspected_at.is_some_and(|at| times.heard_at <= at)
    }
}

struct SearchState {
    /// The index of the server in use.
    used: usize,
    /// The index where the next search begins.
    next: usize,
    /// Whether the server in use has to be checked before another connection is opened.
    is_doubtful: bool,
    /// When a connection to the server in use broke or got no answer, if that is why it has to be checked.
    suspected_at: Option<Instant>,
    /// The result of the last attempt with each server, by index.
    problems: Vec<Option<ServerError>>,
    /// When the last search without success ended.
    failed_at: Option<Instant>,
}

/// The result of waiting for a search.
enum SearchResult {
    /// This caller found a server and opened a session.
    Found(Session),
    /// A server is in use.
    Settled,
    NoneUsable(NoUsableServer),
}

impl Servers {
    /// Parses one address per line.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(super) fn parse(urls: &str, statement_timeout: Duration) -> Result<Self, MigrationError> {
        let list = server_address::parse(urls)?;
        Ok(Self {
            state: Mutex::new(SearchState {
                used: 0,
                next: 0,
                is_doubtful: true,
                suspected_at: None,
                problems: vec![None; list.len()],
                failed_at: None,
            }),
            list,
            statement_timeout,
            source: OnceLock::new(),
            search: Semaphore::new(1),
            stale: watch::Sender::default(),
        })
    }

    pub(super) fn list(&self) -> &[Server] {
        &self.list
    }

    /// The longest time that one attempt to connect may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        let all = self.list.iter().map(|server| server.connect_timeout);
        all.max().unwrap_or_default()
    }

    /// Sets where the addresses are read again when a server refuses the login.
    pub(super) fn set_source(&self, source: AddressSource) {
        self.source.set(source).ok();
    }

    /// Reads the addresses again and takes their logins. Another list of servers needs a restart.
    fn renew_logins(&self) {
        let read = self.source.get().and_then(|source| source());
        let Some(Ok(renewed)) = read.map(|urls| server_address::parse(&urls)) else {
            return;
        };
        let pairs = || self.list.iter().zip(&renewed);
        if renewed.len() == self.list.len() && pairs().all(|(own, new)| own.name == new.name) {
            pairs().for_each(|(own, new)| own.renew_login(new));
        }
    }

    /// The server in use.
    pub(super) fn used(&self) -> Option<&Server> {
        let used = self.state.lock().used;
        self.list.get(used)
    }

    /// The name of the server in use.
    pub(super) fn name(&self) -> String {
        self.used().map_or_else(String::new, |one| one.name.clone())
    }

    /// Notes that a connection broke or got no answer: the server is checked before another connection is opened.
    /// If it works, connections without an answer since then are suspect.
    pub(super) fn suspect(&self, times: ConnectionTimes) {
        let mut state = self.state.lock();
        let marks = *self.stale.borrow();
        // One of many connections that broke at once is enough; one to an abandoned server says nothing of the next.
        if !state.is_doubtful && !marks.is_suspect(times) && !marks.is_abandoned(times) {
            state.is_doubtful = true;
            state.suspected_at = Some(Instant::now());
        }
    }

    /// Notes that the server of a connection cannot be used: its connections are closed and the next server is tried.
    pub(super) fn abandon(&self, times: ConnectionTimes) {
        // If it was abandoned before, another server may be in use.
        if self.is_abandoned(times) {
            return;
        }
        let mut state = self.state.lock();
        state.next = self.after(state.used);
        state.is_doubtful = true;
        state.suspected_at = None;
        drop(state);
        self.mark_abandoned();
    }

    /// Whether the server of a connection was abandoned since the connection was opened.
    pub(super) fn is_abandoned(&self, times: ConnectionTimes) -> bool {
        self.stale.borrow().is_abandoned(times)
    }

    /// How long a suspect connection has to answer a ping; `None` for others.
    pub(super) fn ping_timeout(&self, times: ConnectionTimes) -> Option<Duration> {
        let stale = *self.stale.borrow();
        let limit = stale.opened_within.clamp(MIN_PING_TIMEOUT, SUSPECT_TIMEOUT);
        stale.is_suspect(times).then_some(limit)
    }

    /// Whether a search is due or under way, so that connections had better not be used.
    pub(super) fn is_doubtful(&self) -> bool {
        self.state.lock().is_doubtful
    }

    /// Waits until an answer on a connection is no longer worth waiting for: until its server is abandoned, or a
    /// while after it became suspect.
    pub(super) async fn until_stale(&self, times: ConnectionTimes) {
        let mut stale = self.stale.subscribe();
        let is_stale =
            |stale: &StaleConnections| stale.is_abandoned(times) || stale.is_suspect(times);
        let found = stale.wait_for(is_stale).await;
        let is_abandoned = found.is_ok_and(|stale| stale.is_abandoned(times));
        if !is_abandoned {
            sleep(SUSPECT_TIMEOUT).await;
        }
    }

    fn mark_abandoned(&self) {
        let now = Some(Instant::now());
        self.stale.send_modify(|stale| stale.abandoned_at = now);
    }

    /// The last error of each server, or that it gave no answer within `waited`.
    pub(super) fn problems(&self, waited: Duration) -> NoUsableServer {
        let state = self.state.lock();
        let problems = self.list.iter().zip(&state.problems);
        let problems = problems.map(|(server, problem)| {
            let silent = || ServerError::Silent(server.name.clone(), waited);
            problem.clone().unwrap_or_else(silent)
        });
        NoUsableServer(problems.collect())
    }

    /// Opens a connection to a server that accepts writes, and searches for one if needed. `None` when no attempt has
    /// begun and `is_wanted` says that nobody needs the connection any more.
    pub(super) async fn connect(
        &self,
        is_wanted: impl Fn() -> bool + Send + Sync,
    ) -> Result<Option<Session>, OpenError> {
        loop {
            match self.settle().await {
                SearchResult::Found(session) => return Ok(Some(session)),
                SearchResult::Settled => {}
                SearchResult::NoneUsable(none) => return Err(OpenError::NoUsableServer(none)),
            }
            let (true, Some(server)) = (is_wanted(), self.used()) else {
                return Ok(None);
            };
            let times = ConnectionTimes::now();
            match session::open(server, self.statement_timeout).await {
                Ok(session) => return Ok(Some(session)),
                Err(full @ ServerError::Full { .. }) => return Err(OpenError::Full(full)),
                Err(
                    ServerError::Standby(_)
                    | ServerError::ReadOnly(_)
                    | ServerError::RefusedWrite(_),
                ) => self.abandon(times),
                Err(
                    ServerError::Silent(..)
                    | ServerError::Unusable { .. }
                    | ServerError::Refused { .. },
                ) => self.suspect(times),
            }
        }
    }

    /// Waits for the search of another caller, or searches.
    async fn settle(&self) -> SearchResult {
        if !self.is_doubtful() {
            return SearchResult::Settled;
        }
        let asked = Instant::now();
        let _turn = self.search.acquire().await;
        if !self.is_doubtful() {
            return SearchResult::Settled;
        }
        let has_failed = self.state.lock().failed_at.is_some_and(|at| at >= asked);
        let found = if has_failed {
            None
        } else {
            self.search().await
        };
        found.unwrap_or_else(|| SearchResult::NoneUsable(self.problems(asked.elapsed())))
    }

    /// Tries one server after the other, from the one in use or the one behind it, until one can be used, for as long
    /// as one attempt may take. Attempts without an answer go on meanwhile.
    async fn search(&self) -> Option<SearchResult> {
        self.state.lock().problems.fill(None);
        let ends = Instant::now() + self.connect_timeout();
        let (mut attempts, mut due) = (FuturesUnordered::new(), Instant::now());
        let (mut begun, mut pause) = (0, FIRST_PAUSE);
        loop {
            tokio::select! {
                Some((index, took, opened)) = attempts.next() => match opened {
                    Ok(session) => {
                        self.use_server(index, took);
                        return Some(SearchResult::Found(session));
                    }
                    // The server works, and so may the open connections.
                    Err(ServerError::Full { .. }) if self.is_suspected(index) => {
                        self.use_server(index, took);
                        return Some(SearchResult::Settled);
                    }
                    Err(problem) => {
                        if matches!(problem, ServerError::Refused { .. }) {
                            self.renew_logins();
                        }
                        if let Some(last) = self.state.lock().problems.get_mut(index) {
                            *last = Some(problem);
                        }
                        let has_untried = begun < self.list.len();
                        let wait = if has_untried { Duration::ZERO } else { pause };
                        due = due.min(Instant::now() + wait);
                        pause = (pause * 2).min(ATTEMPT_INTERVAL);
                    }
                },
                () = sleep_until(due) => {
                    // Advanced before the attempt ends: if this caller gives up, the next one tries the next server.
                    let (index, server) = self.take_next()?;
                    let opening = session::open(server, self.statement_timeout);
                    let start = Instant::now();
                    attempts.push(async move {
                        let opened = opening.await;
                        (index, start.elapsed(), opened)
                    });
                    begun += 1;
                    due = Instant::now() + ATTEMPT_INTERVAL;
                }
                () = sleep_until(ends) => {
                    self.state.lock().failed_at = Some(Instant::now());
                    return None;
                }
            }
        }
    }

    fn take_next(&self) -> Option<(usize, &Server)> {
        let mut state = self.state.lock();
        let index = state.next;
        state.next = self.after(index);
        Some((index, self.list.get(index)?))
    }

    /// Whether this server is in use, and only checked because a connection broke or got no answer.
    fn is_suspected(&self, index: usize) -> bool {
        let state = self.state.lock();
        state.used == index && state.suspected_at.is_some()
    }

    /// Notes that the server at this index accepts writes, if it is the one in use.
    pub(super) fn confirm(&self, index: usize) {
        if self.state.lock().used == index {
            self.use_server(index, Duration::ZERO);
        }
    }

    fn use_server(&self, index: usize, took: Duration) {
        let mut state = self.state.lock();
        let is_another = state.used != index;
        (state.used, state.next) = (index, index);
        state.is_doubtful = false;
        let suspected_at = state.suspected_at.take();
        let problems = std::mem::replace(&mut state.problems, vec![None; self.list.len()]);
        drop(state);
        if is_another {
            self.mark_abandoned();
            let cause = NoUsableServer(problems.into_iter().flatten().collect());
            tracing::info!(server = %self.name(), %cause, "another database server is in use");
        } else if suspected_at.is_some() {
            self.stale.send_modify(|stale| {
                stale.suspected_at = suspected_at;
                stale.opened_within = took;
            });
        }
    }

    fn after(&self, index: usize) -> usize {
        (index + 1).checked_rem(self.list.len()).unwrap_or(0)
    }
}
