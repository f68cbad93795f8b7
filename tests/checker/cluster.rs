//! The PostgreSQL servers: the primary, the standby that follows it, and what those of before had committed.
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{
    sync::{RwLock, watch},
    task::block_in_place,
    time::timeout,
};

use crate::{
    catalog::{Row, number_of},
    history::{Effect, HistoryId, Seq, Version},
    servers::{SqlRow, row, sql},
    support::{
        postgres::{self, Database, Postgres},
        wait::eventually,
    },
};

/// For ALTER SYSTEM, so that standbys inherit them: one that lost its primary, or a subscription its publisher,
/// asks again soon.
const SETTINGS: [&str; 2] = [
    "wal_retrieve_retry_interval = '200ms'",
    "wal_keep_size = '128MB'",
];
/// The setting that lets transactions be prepared; while it is on, no writer sends NOTIFY.
const PREPARES: &str = "max_prepared_transactions = 8";
/// A standby that is not cut off by then never will be.
const PATIENCE: Duration = Duration::from_secs(20);
/// A server that is there lets a session in by then.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// All servers of the one database.
pub struct Cluster {
    database: Database,
    primary: watch::Sender<Primary>,
    standby: Mutex<Option<Arc<Postgres>>>,
    /// What had committed on each server that was the primary, once it has ended.
    branches: Mutex<Vec<Option<Branch>>>,
    /// Held by those who prepare a transaction; who takes it alone decides whether that can be done.
    pub preparing: RwLock<()>,
}

/// The server in use.
#[derive(Clone)]
pub struct Primary {
    pub server: Arc<Postgres>,
    /// Counts the servers that have been primaries.
    pub branch: usize,
    /// Which of the two hosts in the address of a replica leads to it; the other one leads to the standby.
    pub host: usize,
}

/// What has committed on one server: what it inherited when it was promoted, and its own.
#[derive(Clone)]
pub struct Branch {
    /// The name of its history; that of its parent when it gave no number.
    pub history: HistoryId,
    /// In the order in which they committed.
    pub commits: Vec<Commit>,
    /// What those of the apply worker did there, by token.
    pub applied: HashMap<i64, Vec<Effect>>,
}

/// A transaction of the checker that took effect.
#[derive(Clone, Copy)]
pub struct Commit {
    pub token: i64,
    /// None when no number was given, or it is not known any longer.
    pub number: Option<Seq>,
}

impl Branch {
    /// The transactions that took effect.
    pub fn tokens(&self) -> HashSet<i64> {
        self.commits.iter().map(|commit| commit.token).collect()
    }
}

impl Cluster {
    /// A primary without a standby.
    pub async fn start(prepares: bool) -> Self {
        let server = postgres::own_server();
        let database = server.fresh().await;
        let prepares = prepares.then_some(PREPARES);
        for setting in SETTINGS.into_iter().chain(prepares) {
            set(&database, setting).await;
        }
        block_in_place(|| restart(&server));
        Self {
            database,
            primary: watch::Sender::new(Primary {
                server: Arc::new(server),
                branch: 0,
                host: 0,
            }),
            standby: Mutex::default(),
            branches: Mutex::new(vec![None]),
            preparing: RwLock::default(),
        }
    }

    pub fn primary(&self) -> Primary {
        self.primary.borrow().clone()
    }

    /// Tells when another server is the primary.
    pub fn changes(&self) -> watch::Receiver<Primary> {
        self.primary.subscribe()
    }

    /// The database on its primary.
    pub fn database(&self) -> Database {
        self.database.on(&self.primary().server)
    }

    /// A session on the primary that can be refused.
    pub async fn try_connect(&self) -> Result<PgConnection, sqlx::Error> {
        let url = self.database().url();
        let connected = timeout(CONNECT_PATIENCE, PgConnection::connect(&url)).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// A new standby of the primary; where transactions can be prepared it can keep them.
    pub async fn new_standby(&self) -> Arc<Postgres> {
        let primary = self.primary().server;
        let standby = block_in_place(|| primary.standby());
        set(&self.database.on(&standby), PREPARES).await;
        block_in_place(|| restart(&standby));
        Arc::new(standby)
    }

    /// Has a standby receive nothing more, for good.
    pub async fn cut_off(&self, standby: &Postgres) {
        let standby = self.database.on(standby);
        set(&standby, "primary_conninfo = ''").await;
        standby.execute("SELECT pg_reload_conf()").await;
        let alone = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)";
        eventually("the standby is cut off", PATIENCE, async || {
            standby.query_text(alone).await == "true"
        })
        .await;
    }

    /// The standby that follows the primary.
    pub fn standby(&self) -> Option<Arc<Postgres>> {
        self.standby.lock().unwrap().clone()
    }

    /// Keeps the standby, or forgets the one there was.
    pub fn set_standby(&self, standby: Option<Arc<Postgres>>) {
        *self.standby.lock().unwrap() = standby;
    }

    /// The branch that a server begins which is to be promoted.
    pub fn new_branch(&self) -> usize {
        let mut branches = self.branches.lock().unwrap();
        branches.push(None);
        branches.len() - 1
    }

    /// All writers go to this server from here on.
    pub fn set_primary(&self, primary: Primary) {
        self.primary.send_replace(primary);
    }

    /// Reads what had committed on a server that is down and nobody's any longer.
    pub async fn keep_past_of(&self, ended: &Primary) {
        block_in_place(|| ended.server.restart());
        let branch = self.branch_of(&ended.server).await;
        block_in_place(|| ended.server.kill());
        self.branches.lock().unwrap()[ended.branch] = Some(branch);
    }

    /// Every branch, by number. To be called while no server takes over.
    pub async fn branches(&self) -> Vec<Branch> {
        let current = self.branch_of(&self.primary().server).await;
        let branches = self.branches.lock().unwrap();
        let known = branches.iter();
        known
            .map(|branch| branch.clone().unwrap_or_else(|| current.clone()))
            .collect()
    }

    /// The history whose numbers a server gives.
    pub async fn history_of(&self, server: &Postgres) -> HistoryId {
        let history = "SELECT history FROM challenges_catalog.numbering";
        Version::of(&self.database.on(server).query_text(history).await).history
    }

    /// The commits of the checker by the commit's own time, and their numbers. An apply worker's commit has
    /// the time of the publisher's, so its last row counts. A commit that a server inherited or made
    /// before its first round has no row of its own: it is in the number of that round.
    async fn branch_of(&self, server: &Postgres) -> Branch {
        let commits = "WITH known AS MATERIALIZED (
                SELECT xid, seq, snapshot FROM challenges_catalog.commit_log
                UNION ALL
                SELECT xid, seq, snapshot FROM checker.pruned
            )
            SELECT
                mark.token,
                coalesce(own.seq, (
                    SELECT min(round.seq) FROM known AS round
                    WHERE round.snapshot IS NOT NULL AND pg_visible_in_snapshot(mark.xid, round.snapshot)
                ))
            FROM checker.mark
            LEFT JOIN (SELECT xid, max(seq) AS seq FROM known GROUP BY xid) AS own ON own.xid = mark.xid
            ORDER BY greatest(pg_xact_commit_timestamp(mark.xid::xid), mark.at), mark.token";
        let mut db = self.database.on(server).connect().await;
        let rows: Vec<(i64, Option<i64>)> =
            sqlx::query_as(commits).fetch_all(&mut db).await.unwrap();
        let commit = |(token, number): (i64, Option<i64>)| Commit {
            token,
            number: number.map(i64::unsigned_abs),
        };
        Branch {
            history: self.history_of(server).await,
            commits: rows.into_iter().map(commit).collect(),
            applied: applied_on(&mut db).await,
        }
    }

    /// What the table holds.
    pub async fn rows(&self) -> Vec<Row> {
        let all = "SELECT id::text, difficulty, points, title FROM approach_challenges";
        let rows: Vec<SqlRow> = sqlx::query_as(all)
            .fetch_all(&mut self.database().connect().await)
            .await
            .unwrap();
        rows.into_iter().map(row).collect()
    }

    /// Gives up every transaction that is prepared on the primary: whoever prepared it may be gone.
    pub async fn end_prepared(&self) {
        let mut db = self.database().connect().await;
        let prepared = "SELECT gid FROM pg_prepared_xacts";
        let gids: Vec<String> = sqlx::query_scalar(prepared)
            .fetch_all(&mut db)
            .await
            .unwrap();
        for gid in gids {
            // Its writer may be quicker.
            let end = sqlx::raw_sql(sql(format!("ROLLBACK PREPARED '{gid}'")));
            end.execute(&mut db).await.ok();
        }
    }

    /// Ends the primary as a crash does. From the next start on transactions can be prepared where they
    /// could not, and the other way round.
    pub async fn crash(&self) {
        let _nobody_prepares = self.preparing.write().await;
        let database = self.database();
        let prepares = "SELECT current_setting('max_prepared_transactions') = '0'";
        if database.query_text(prepares).await == "true" {
            set(&database, PREPARES).await;
        } else {
            set(&database, "max_prepared_transactions = 0").await;
            // It would not start with them, nor from a log that has them.
            self.end_prepared().await;
            database.execute("CHECKPOINT").await;
        }
        block_in_place(|| self.primary().server.kill());
    }
}

/// What transactions of the apply worker did, by token; nothing where they met no row.
async fn applied_on(db: &mut PgConnection) -> HashMap<i64, Vec<Effect>> {
    let changes = "SELECT mark.token, row.challenge::text, row.difficulty, row.points, row.title
        FROM checker.mark
        LEFT JOIN checker.applied AS row ON row.xid = mark.xid
        WHERE mark.is_applied
        ORDER BY row.id";
    let changes: Vec<AppliedRow> = sqlx::query_as(changes).fetch_all(db).await.unwrap();
    let mut applied: HashMap<_, Vec<_>> = HashMap::new();
    for (token, id, difficulty, points, title) in changes {
        let effects = applied.entry(token).or_default();
        let shown = difficulty.zip(points).zip(title);
        effects.extend(id.map(|id| match shown {
            Some(((difficulty, points), title)) => {
                Effect::Put(row((id, difficulty, points, title)))
            }
            None => Effect::Gone(number_of(&id)),
        }));
    }
    applied
}

/// Token, challenge, and what it is afterwards.
type AppliedRow = (
    i64,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<String>,
);

/// Changes a setting of a server, from its next start or reload on.
async fn set(database: &Database, setting: &str) {
    database
        .execute(&format!("ALTER SYSTEM SET {setting}"))
        .await;
}

fn restart(server: &Postgres) {
    server.kill();
    server.restart();
}
