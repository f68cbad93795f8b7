//! The servers of one database, by the address of the database, and which of them is in use: one that
//! takes writes. A server that is found to be a standby, read-only or gone is left for the next one,
//! and the connections to it are closed when they come back or are asked for.
use std::{
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};

use super::unfit::{NoServer, Standing, Unfit, connect_and_look};
use crate::repository::{MigrationError, fault::NoAnswer};

/// How long one server is looked at when another may be in use instead.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// The result of a look at the servers counts for this long, good or bad.
const PAUSE: Duration = Duration::from_millis(100);

/// A server of the database.
pub(super) struct Server {
    /// Host and port, or the folder of its socket: for people.
    pub(super) name: String,
    pub(super) options: PgConnectOptions,
}

/// The servers that the address of the database names.
pub(super) struct Servers {
    /// Never empty.
    list: Vec<Server>,
    state: Mutex<State>,
    /// One caller at a time looks for a server; the others take the result.
    look: Semaphore,
    /// Wakes those who wait for a connection.
    doubts: watch::Sender<u64>,
    /// Wakes those who hold one for long.
    leaves: watch::Sender<u64>,
}

struct State {
    /// The one in use, by its place in the list.
    used: usize,
    /// Where the next look begins.
    next: usize,
    /// Whether the one in use has to be looked at before it is used again.
    is_doubtful: bool,
    /// When one was found good.
    found_at: Option<Instant>,
    /// Connections that are older than this are not used any more.
    left_at: Option<Instant>,
    /// The last look that found none: when it began.
    failure: Option<(Instant, NoServer)>,
}

impl Servers {
    /// Reads addresses of one server each, one a line.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(super) fn parse(urls: &str) -> Result<Self, MigrationError> {
        let list: Vec<_> = urls.lines().map(server).collect::<Result<_, _>>()?;
        if list.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            list,
            state: Mutex::new(State {
                used: 0,
                next: 0,
                is_doubtful: true,
                found_at: None,
                left_at: None,
                failure: None,
            }),
            look: Semaphore::new(1),
            doubts: watch::Sender::new(0),
            leaves: watch::Sender::new(0),
        })
    }

    pub(super) fn list(&self) -> &[Server] {
        &self.list
    }

    /// The name of the server in use.
    pub(super) fn name(&self) -> String {
        let used = self.state().used;
        self.list
            .get(used)
            .map_or_else(String::new, |one| one.name.clone())
    }

    /// The server in use is looked at before it is used again: a connection to it broke or is silent.
    pub(super) fn doubt(&self) {
        let mut state = self.state();
        // Of many connections that broke at once, one look tells enough.
        if state.found_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        state.is_doubtful = true;
        drop(state);
        self.doubts.send_modify(|count| *count += 1);
    }

    /// The server in use cannot be used: its connections are closed, and the next one is looked at.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.left_at = Some(Instant::now());
        state.next = self.after(state.used);
        state.is_doubtful = true;
        drop(state);
        self.doubts.send_modify(|count| *count += 1);
        self.leaves.send_modify(|count| *count += 1);
    }

    /// Whether a connection of this age is one to a server that was left.
    pub(super) fn is_left(&self, age: Duration) -> bool {
        self.state().left_at.is_some_and(|at| at.elapsed() <= age)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.state().is_doubtful
    }

    /// Tells of each doubt; for those who wait for a connection.
    pub(super) fn doubts(&self) -> watch::Receiver<u64> {
        self.doubts.subscribe()
    }

    /// Tells of each leave; for those who hold a connection for long.
    pub(super) fn leaves(&self) -> watch::Receiver<u64> {
        self.leaves.subscribe()
    }

    /// Looks for a server that takes writes until there is one, for `patience` at most. At once
    /// when there is no doubt; `use_it` is called when another one was found.
    pub(super) async fn settle(
        &self,
        patience: Duration,
        use_it: impl Fn(&PgConnectOptions) + Send + Sync,
    ) -> Result<(), NoServer> {
        let asked = Instant::now();
        let mut known = None;
        while self.is_doubtful() {
            let left = patience.saturating_sub(asked.elapsed());
            match timeout(left, self.look_once(&use_it)).await {
                Ok(Ok(())) => break,
                Ok(Err(none)) if asked.elapsed() + PAUSE >= patience => return Err(none),
                Ok(Err(none)) => known = Some(none),
                Err(_) => return Err(known.unwrap_or_else(|| self.silent(patience))),
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Asks each server once, from the one in use or the one after it.
    async fn look_once(
        &self,
        use_it: &(impl Fn(&PgConnectOptions) + Send + Sync),
    ) -> Result<(), NoServer> {
        let asked = Instant::now();
        let _turn = self.look.acquire().await;
        if let Some(known) = self.known_since(asked) {
            return known;
        }
        let (began, mut problems) = (Instant::now(), Vec::new());
        for _ in &self.list {
            // Noted before it answers: a caller who gives up leaves the next one to his successor.
            let Some((place, server)) = self.take_next() else {
                break;
            };
            match probe(server).await {
                Ok(()) => {
                    self.found(place, server, use_it, &problems);
                    return Ok(());
                }
                Err(unfit) => problems.push(unfit),
            }
        }
        let none = NoServer(problems);
        self.state().failure = Some((began, none.clone()));
        Err(none)
    }

    /// What a look of somebody else told meanwhile, or just before.
    fn known_since(&self, asked: Instant) -> Option<Result<(), NoServer>> {
        let state = self.state();
        if !state.is_doubtful {
            return Some(Ok(()));
        }
        let (began, none) = state.failure.as_ref()?;
        let counts = *began >= asked || began.elapsed() < PAUSE;
        counts.then(|| Err(none.clone()))
    }

    fn take_next(&self) -> Option<(usize, &Server)> {
        let mut state = self.state();
        let place = state.next;
        state.next = self.after(place);
        Some((place, self.list.get(place)?))
    }

    fn found(
        &self,
        place: usize,
        server: &Server,
        use_it: &(impl Fn(&PgConnectOptions) + Send + Sync),
        problems: &[Unfit],
    ) {
        let mut state = self.state();
        let is_another = state.used != place;
        (state.used, state.next) = (place, place);
        state.found_at = Some(Instant::now());
        state.failure = None;
        if is_another {
            state.left_at = state.found_at;
            use_it(&server.options);
        }
        state.is_doubtful = false;
        drop(state);
        if is_another {
            self.leaves.send_modify(|count| *count += 1);
            let cause = NoServer(problems.to_vec());
            tracing::info!(server = %server.name, %cause, "another database server is in use");
        }
    }

    /// The server that was last asked, and said nothing.
    fn silent(&self, patience: Duration) -> NoServer {
        let next = self.state().next;
        let count = self.list.len();
        let last = (next + count)
            .checked_sub(1)
            .map_or(0, |place| place % count);
        let name = self
            .list
            .get(last)
            .map_or_else(String::new, |one| one.name.clone());
        NoServer(vec![Unfit::Silent(name, patience)])
    }

    fn after(&self, place: usize) -> usize {
        (place + 1).checked_rem(self.list.len()).unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a new connection of a pool to a server that takes no writes.
    pub(super) async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        match Standing::of(connection).await?.unfit(&self.name()) {
            None => Ok(()),
            Some(unfit) => {
                self.leave();
                Err(NoServer(vec![unfit]).into())
            }
        }
    }
}

async fn probe(server: &Server) -> Result<(), Unfit> {
    let name = &server.name;
    let looking = async {
        let (connection, unfit) = connect_and_look(&server.options, name).await?;
        connection.close().await.ok();
        Ok::<_, sqlx::Error>(unfit)
    };
    let unusable = |cause: String| Unfit::Unusable {
        host: name.clone(),
        cause,
    };
    match timeout(PROBE_TIMEOUT, looking).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(unfit))) => Err(unfit),
        Ok(Err(error)) => Err(unusable(error.to_string())),
        Err(_) => Err(unusable(NoAnswer(PROBE_TIMEOUT).to_string())),
    }
}

fn server(url: &str) -> Result<Server, MigrationError> {
    // The driver's words could repeat a part of the address.
    let options = PgConnectOptions::from_str(url).map_err(|_| malformed())?;
    let options = options.application_name("challenges-catalog");
    let name = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    Ok(Server { name, options })
}

fn malformed() -> MigrationError {
    MigrationError::Url("must be postgres://user:password@host:port/database".to_owned())
}
