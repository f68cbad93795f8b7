//! Other programs: they change the table by plain SQL and know nothing of caches.
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::PgConnection;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    change::Change,
    cluster::Primary,
    history::{Effect, History, Micros, Trouble},
    servers::{Servers, sql},
};

static TOKEN: AtomicI64 = AtomicI64::new(1);

/// So long may the readers take that a lock has held up.
const LOCK_AFTERMATH: Micros = 500_000;

/// How often, and what.
#[derive(Clone, Copy)]
pub struct Habits {
    pub seed: u64,
    /// Whether many rows at once.
    pub is_large: bool,
    pub pace: Duration,
}

/// A transaction that is prepared, or may be.
struct Prepared {
    token: i64,
    /// What it did; none when it is to be given up.
    effects: Option<Vec<Effect>>,
    /// Its place in the log, once its COMMIT was sent.
    write: Option<usize>,
}

/// A program that writes.
struct Writer<'a> {
    servers: &'a Servers,
    history: &'a History,
    rng: StdRng,
    session: Option<(Primary, PgConnection)>,
    prepared: Option<Prepared>,
}

/// Writes every `pace`, more or less, until `stop`; `held` holds it back. A lost connection is made anew.
pub async fn writer(
    servers: &Servers,
    history: &History,
    habits: Habits,
    held: &tokio::sync::RwLock<()>,
    stop: &CancellationToken,
) {
    let mut writer = Writer {
        servers,
        history,
        rng: StdRng::seed_from_u64(habits.seed),
        session: None,
        prepared: None,
    };
    // One in two goes to a new primary at once; the others keep a connection as long as it works.
    let follows = habits.seed.is_multiple_of(2);
    while !stop.is_cancelled() {
        sleep(habits.pace.mul_f64(writer.rng.random_range(0.5..1.5))).await;
        let _turn = held.read().await;
        let mut changes = servers.cluster.changes();
        // TRUNCATE holds every reader of the table up until its COMMIT.
        let locked = habits.is_large.then(|| history.open_window(Trouble::Fills));
        tokio::select! {
            () = writer.turn(habits.is_large, follows) => {}
            _ = changes.changed(), if follows => writer.session = None,
        }
        if let Some(locked) = locked {
            history.close_window(&locked, LOCK_AFTERMATH);
        }
    }
}

impl Writer<'_> {
    /// What was prepared and not ended, or else one transaction.
    async fn turn(&mut self, is_large: bool, follows: bool) {
        let primary = self.servers.cluster.primary();
        let is_left = |known: &Primary| !Arc::ptr_eq(&known.server, &primary.server);
        if follows
            && self
                .session
                .as_ref()
                .is_some_and(|(known, _)| is_left(known))
        {
            self.session = None;
        }
        if self.session.is_none() {
            let opened = self.servers.cluster.try_connect().await.ok();
            self.session = opened.map(|session| (primary, session));
        }
        let Some((primary, mut db)) = self.session.take() else {
            return;
        };
        let done = if self.prepared.is_some() {
            self.end_prepared(&mut db).await
        } else {
            self.transact(&mut db, is_large).await
        };
        // After an error or a lost connection: whether a COMMIT took effect is asked at the end.
        if done.is_ok() {
            self.session = Some((primary, db));
        }
    }

    /// One transaction: changes, perhaps a while of doing nothing, and COMMIT, or now and then ROLLBACK.
    async fn transact(&mut self, db: &mut PgConnection, is_large: bool) -> Result<(), sqlx::Error> {
        let isolation = match self.rng.random_range(0..10) {
            0..6 => "READ COMMITTED",
            6 => "REPEATABLE READ",
            _ => "SERIALIZABLE",
        };
        let result = self.transact_in(db, isolation, is_large).await;
        if let Err(error) = &result
            && !is_to_be_expected(error, isolation)
        {
            self.history.write_failed(format!("{isolation}: {error}"));
        }
        result
    }

    async fn transact_in(
        &mut self,
        db: &mut PgConnection,
        isolation: &str,
        is_large: bool,
    ) -> Result<(), sqlx::Error> {
        run(db, &format!("BEGIN ISOLATION LEVEL {isolation}")).await?;
        if self.rng.random_ratio(1, 10) {
            run(db, "SET LOCAL session_replication_role = replica").await?;
        }
        let count = if is_large {
            1
        } else {
            self.rng.random_range(1..=2)
        };
        let mut effects = Vec::new();
        for _ in 0..count {
            let change = if is_large {
                Change::large(&mut self.rng)
            } else {
                Change::small(&mut self.rng)
            };
            effects.extend(change.apply(db).await?);
        }
        let token = mark(db).await?;
        if self.rng.random_ratio(1, 4) {
            sleep(Duration::from_millis(self.rng.random_range(1..150))).await;
        }
        if self.rng.random_ratio(1, 20) {
            return run(db, "ROLLBACK").await;
        }
        // A TRUNCATE that is prepared would hold up all readers.
        if !is_large && self.rng.random_ratio(1, 4) && self.prepare(db, token, &effects).await? {
            return self.end_prepared(db).await;
        }
        commit(db, self.servers, self.history, token, effects).await
    }

    /// Prepares the transaction, where that can be done, and leaves it so for a while.
    async fn prepare(
        &mut self,
        db: &mut PgConnection,
        token: i64,
        effects: &[Effect],
    ) -> Result<bool, sqlx::Error> {
        let nobody_decides = self.servers.cluster.preparing.read().await;
        let asked = "SELECT current_setting('max_prepared_transactions') <> '0'";
        let can: bool = sqlx::query_scalar(asked).fetch_one(&mut *db).await?;
        if !can {
            return Ok(false);
        }
        let is_kept = !self.rng.random_ratio(1, 5);
        self.prepared = Some(Prepared {
            token,
            effects: is_kept.then(|| effects.to_vec()),
            write: None,
        });
        run(db, &format!("PREPARE TRANSACTION '{}'", name_of(token))).await?;
        drop(nobody_decides);
        sleep(Duration::from_millis(self.rng.random_range(50..1_500))).await;
        Ok(true)
    }

    /// Ends what was prepared, unless somebody else has, or it never came to that.
    async fn end_prepared(&mut self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Some(prepared) = &mut self.prepared else {
            return Ok(());
        };
        let _turn = self.servers.committing.read().await;
        let mut how = "ROLLBACK";
        if let Some(effects) = &prepared.effects {
            how = "COMMIT";
            let sent = || self.history.commits(prepared.token, effects.clone());
            prepared.write = Some(prepared.write.unwrap_or_else(sent));
        }
        let end = format!("{how} PREPARED '{}'", name_of(prepared.token));
        match run(db, &end).await {
            Ok(()) => prepared
                .write
                .into_iter()
                .for_each(|write| self.history.wrote(write)),
            Err(error) if code_of(&error).as_deref() == Some("42704") => {}
            Err(error) => return Err(error),
        }
        self.prepared = None;
        Ok(())
    }
}

/// How a prepared transaction is called.
fn name_of(token: i64) -> String {
    format!("checker-{token}")
}

/// One transaction without any delay.
pub async fn write(
    servers: &Servers,
    history: &History,
    change: Change,
) -> Result<(), sqlx::Error> {
    let mut db = servers.cluster.try_connect().await?;
    run(&mut db, "BEGIN").await?;
    let effects = change.apply(&mut db).await?;
    let token = mark(&mut db).await?;
    commit(&mut db, servers, history, token, effects).await
}

/// Leaves the token of this transaction.
pub async fn mark(db: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let token = TOKEN.fetch_add(1, Relaxed);
    run(db, &format!("INSERT INTO checker.mark VALUES ({token})")).await?;
    Ok(token)
}

async fn commit(
    db: &mut PgConnection,
    servers: &Servers,
    history: &History,
    token: i64,
    effects: Vec<Effect>,
) -> Result<(), sqlx::Error> {
    let _turn = servers.committing.read().await;
    let write = history.commits(token, effects);
    run(db, "COMMIT").await?;
    history.wrote(write);
    Ok(())
}

pub async fn run(db: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    let done = sqlx::raw_sql(sql(statement)).execute(&mut *db).await;
    done.map(drop)
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// What a writer has to put up with, whoever else uses the database: one that ends, deadlocks, and conflicts
/// where the isolation level has them.
fn is_to_be_expected(error: &sqlx::Error, isolation: &str) -> bool {
    match code_of(error).as_deref() {
        None | Some("40P01" | "57P01" | "57P02" | "57P03") => true,
        Some("40001") => isolation != "READ COMMITTED",
        Some(_) => false,
    }
}
