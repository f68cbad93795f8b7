//! What was written and read, by the checker's one clock.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use tonic::Code;

use crate::catalog::{Digest, Row};

/// Microseconds since the run began.
pub type Micros = u64;
/// The number of a commit, or its place among others.
pub type Seq = u64;
/// The name of a history of the database, which is a part of every version.
pub type HistoryId = u64;

/// A version as an answer tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub history: HistoryId,
    pub seq: Seq,
}

impl Version {
    /// Reads `<history>-<timeline><seq>`; zeros for what is none.
    pub fn of(text: &str) -> Self {
        let number = |digits: Option<&str>| {
            digits
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .unwrap_or(0)
        };
        Self {
            history: number(text.get(..16)),
            seq: number(text.get(text.len().saturating_sub(16)..)),
        }
    }
}

/// What a commit did to the catalog.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The row is now this.
    Put(Row),
    /// The row is gone.
    Gone(u32),
    /// Every row is gone.
    Empty,
}

/// A transaction of which COMMIT was sent.
#[derive(Clone, Debug)]
pub struct Write {
    /// Names the transaction in `checker.mark`.
    pub token: i64,
    /// Before COMMIT was sent.
    pub sent: Micros,
    /// After COMMIT had returned; none when that was not heard.
    pub returned: Option<Micros>,
    pub effects: Vec<Effect>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The list of this index in [`crate::catalog::LISTS`].
    List(usize),
    /// One row by `GetChallenge`, or several by `BatchGetChallenges`.
    Rows(Vec<u32>),
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Outcome {
    Answer {
        /// One for the list, or one for each row.
        shown: Vec<Digest>,
        version: Version,
        stale: bool,
        bound: Micros,
        near: bool,
    },
    /// `NOT_FOUND`: the one row asked for does not exist, and no older answer may say so.
    NotFound,
    Failed {
        code: Code,
        reason: String,
    },
}

/// One call of a reader.
#[derive(Clone, Debug)]
pub struct Read {
    pub replica: usize,
    /// Counts the processes that this replica has been.
    pub run: u32,
    pub called: Micros,
    pub returned: Micros,
    pub asked: Asked,
    /// The `min_version` that was passed on.
    pub ticket: Option<Version>,
    pub outcome: Outcome,
}

/// An invalidation that came back with a receipt.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub version: Version,
    pub returned: Micros,
    pub took: Micros,
    pub fenced: usize,
    /// Replicas that may follow another server, of which the receipt promises nothing.
    pub unproven: usize,
}

/// What a fault can excuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The replica could not answer at all: stopped, killed, starting.
    Replica(usize),
    /// The database was out of reach for one replica.
    Database(usize),
    /// The database was out of reach for all.
    Databases,
    /// The replica woke: what it had asked the database before it was stopped ran out of time.
    Waking(usize),
    /// The database took its time for every fill.
    Fills,
    /// The replica missed changes that are listed nowhere: it has no copy from before.
    Forgot(usize),
}

/// From the first harm until everything is whole again.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub trouble: Trouble,
    pub from: Micros,
    pub until: Micros,
}

/// The time in which one server was the primary that all are to use.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Which of the servers that have been primaries; see [`crate::cluster::Branch`].
    pub branch: usize,
    pub from: Micros,
    pub until: Micros,
}

/// All that was noted so far.
pub struct Log {
    pub reads: Vec<Read>,
    pub writes: Vec<Write>,
    pub receipts: Vec<Receipt>,
    pub windows: Vec<Window>,
    pub terms: Vec<Term>,
    /// What other programs' statements failed with that should not have.
    pub failed_writes: Vec<String>,
}

/// Keeps the log of one run.
pub struct History {
    began: Instant,
    writes: Mutex<Vec<Write>>,
    reads: Mutex<Vec<Read>>,
    receipts: Mutex<Vec<Receipt>>,
    windows: Mutex<Vec<Window>>,
    terms: Mutex<Vec<Term>>,
    failed_writes: Mutex<Vec<String>>,
    contents: Mutex<HashMap<Digest, String>>,
    newest: Mutex<Newest>,
    edge_ages: Mutex<BTreeMap<u64, usize>>,
}

/// The newest version that was seen of the history that counts.
#[derive(Default)]
struct Newest {
    text: String,
    /// Histories that were seen in earlier terms.
    over: HashSet<HistoryId>,
    seen: HashSet<HistoryId>,
}

/// A window that is still open.
pub struct OpenWindow(usize);

impl History {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            writes: Mutex::default(),
            reads: Mutex::default(),
            receipts: Mutex::default(),
            windows: Mutex::default(),
            terms: Mutex::new(vec![Term {
                branch: 0,
                from: 0,
                until: Micros::MAX,
            }]),
            failed_writes: Mutex::default(),
            contents: Mutex::default(),
            newest: Mutex::default(),
            edge_ages: Mutex::default(),
        }
    }

    pub fn now(&self) -> Micros {
        u64::try_from(self.began.elapsed().as_micros()).unwrap()
    }

    /// To be called before COMMIT is sent; the number is for [`History::wrote`].
    pub fn commits(&self, token: i64, effects: Vec<Effect>) -> usize {
        let mut writes = lock(&self.writes);
        writes.push(Write {
            token,
            sent: self.now(),
            returned: None,
            effects,
        });
        writes.len() - 1
    }

    /// COMMIT has returned.
    pub fn wrote(&self, write: usize) {
        let now = self.now();
        lock(&self.writes)[write].returned = Some(now);
    }

    pub fn read(&self, read: Read) {
        lock(&self.reads).push(read);
    }

    pub fn receipt(&self, receipt: Receipt) {
        lock(&self.receipts).push(receipt);
    }

    /// An answer through the edge had this `Age`, in seconds.
    pub fn saw_edge_age(&self, seconds: u64) {
        *lock(&self.edge_ages).entry(seconds).or_default() += 1;
    }

    pub fn edge_ages(&self) -> BTreeMap<u64, usize> {
        lock(&self.edge_ages).clone()
    }

    /// Remembers what a digest stands for, for people.
    pub fn describe(&self, digest: Digest, describe: impl FnOnce() -> String) {
        lock(&self.contents).entry(digest).or_insert_with(describe);
    }

    pub fn description(&self, digest: Digest) -> String {
        let contents = lock(&self.contents);
        contents.get(&digest).cloned().unwrap_or_default()
    }

    /// Trouble begins now and lasts until it is closed.
    pub fn open_window(&self, trouble: Trouble) -> OpenWindow {
        let mut windows = lock(&self.windows);
        windows.push(Window {
            trouble,
            from: self.now(),
            until: Micros::MAX,
        });
        OpenWindow(windows.len() - 1)
    }

    /// The trouble is over, all its consequences `after` from now.
    pub fn close_window(&self, window: &OpenWindow, after: Micros) {
        let until = self.now() + after;
        lock(&self.windows)[window.0].until = until;
    }

    /// The server in use is none any longer.
    pub fn end_term(&self) {
        let now = self.now();
        let mut terms = lock(&self.terms);
        terms.last_mut().unwrap().until = now;
    }

    /// To be called before the server of `branch` takes its first write in this term; `known` is its
    /// history, when it had a term before.
    pub fn begin_term(&self, branch: usize, known: Option<HistoryId>) {
        let mut newest = lock(&self.newest);
        let Newest { text, over, seen } = &mut *newest;
        over.clone_from(seen);
        if let Some(known) = known {
            over.remove(&known);
        }
        text.clear();
        lock(&self.terms).push(Term {
            branch,
            from: self.now(),
            until: Micros::MAX,
        });
    }

    pub fn write_failed(&self, problem: String) {
        lock(&self.failed_writes).push(problem);
    }

    /// The newest version that any replica has shown of the history that counts.
    pub fn newest_version(&self) -> String {
        lock(&self.newest).text.clone()
    }

    pub fn saw_version(&self, version: &str) {
        let id = Version::of(version).history;
        let mut newest = lock(&self.newest);
        newest.seen.insert(id);
        if !newest.over.contains(&id) && version > newest.text.as_str() {
            version.clone_into(&mut newest.text);
        }
    }

    /// The reads so far, and then, so that none shows a write that is missing, the writes.
    pub fn so_far(&self) -> Log {
        let reads = lock(&self.reads).clone();
        Log {
            reads,
            receipts: lock(&self.receipts).clone(),
            windows: lock(&self.windows).clone(),
            terms: lock(&self.terms).clone(),
            failed_writes: lock(&self.failed_writes).clone(),
            writes: lock(&self.writes).clone(),
        }
    }

    pub fn read_count(&self) -> usize {
        lock(&self.reads).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
