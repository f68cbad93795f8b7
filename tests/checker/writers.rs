//! Other programs: they change the table by plain SQL and know nothing of caches.
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::PgConnection;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{ALL_ROWS, HOT_ROWS, LASTING_ROWS, Row, difficulty_name, id_of},
    history::{Effect, History, Micros, Trouble},
    servers::{Servers, SqlRow, row, sql},
};

static REVISION: AtomicU64 = AtomicU64::new(1);
static TOKEN: AtomicI64 = AtomicI64::new(1);

const SHOWN: &str = "RETURNING id::text, difficulty, points, title";

/// One way to change the catalog.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Another title.
    Retitle(u32),
    /// Another place in every list.
    Reprice(u32, i32),
    /// From one list to another.
    Move(u32, u8),
    Delete(u32),
    /// The row, whether it was there or not.
    Upsert(u32),
    /// Every row in one statement: more than are told one by one.
    RetitleAll,
    /// TRUNCATE and all rows anew.
    Replace,
    /// Some rows away and back by COPY.
    Copy(u32),
}

impl Change {
    /// One of those that touch one row.
    fn small(rng: &mut StdRng) -> Self {
        let hot = rng.random_range(1..=HOT_ROWS);
        match rng.random_range(0..10) {
            0..4 => Self::Retitle(hot),
            4..6 => Self::Reprice(hot, rng.random_range(1..=5)),
            6..8 => Self::Move(hot, rng.random_range(1..=3)),
            8 => Self::Delete(rng.random_range(LASTING_ROWS + 1..=HOT_ROWS)),
            _ => Self::Upsert(hot),
        }
    }

    fn large(rng: &mut StdRng) -> Self {
        match rng.random_range(0..3) {
            0 => Self::RetitleAll,
            1 => Self::Replace,
            _ => Self::Copy(rng.random_range(HOT_ROWS + 1..ALL_ROWS - 20)),
        }
    }

    async fn apply(self, db: &mut PgConnection) -> Result<Vec<Effect>, sqlx::Error> {
        let revision = REVISION.fetch_add(1, Relaxed);
        let by_id = |number: u32| format!("WHERE id = '{}' {SHOWN}", id_of(number));
        let retitle = format!("title = split_part(title, ' ', 1) || ' r{revision}'");
        let table = "approach_challenges";
        match self {
            Self::Retitle(row) => {
                put(db, format!("UPDATE {table} SET {retitle} {}", by_id(row))).await
            }
            Self::Reprice(row, points) => {
                put(
                    db,
                    format!(
                        "UPDATE {table} SET {retitle}, points = {points} {}",
                        by_id(row)
                    ),
                )
                .await
            }
            Self::Move(row, to) => {
                let to = difficulty_name(to);
                put(
                    db,
                    format!(
                        "UPDATE {table} SET {retitle}, difficulty = '{to}' {}",
                        by_id(row)
                    ),
                )
                .await
            }
            Self::Upsert(number) => {
                let insert = format!(
                    "INSERT INTO {table} (id, difficulty, points, title)
                    VALUES ('{}', '{}', 3, 'c-{number:04} r{revision}')
                    ON CONFLICT (id) DO UPDATE SET title = excluded.title {SHOWN}",
                    id_of(number),
                    difficulty_name(first_difficulty(number)),
                );
                put(db, insert).await
            }
            Self::Delete(row) => {
                let gone = put(db, format!("DELETE FROM {table} {}", by_id(row))).await?;
                Ok(gone.iter().map(|_| Effect::Gone(row)).collect())
            }
            Self::RetitleAll => put(db, format!("UPDATE {table} SET {retitle} {SHOWN}")).await,
            Self::Replace => {
                sqlx::raw_sql(sql(format!("TRUNCATE {table}")))
                    .execute(&mut *db)
                    .await?;
                let mut effects = vec![Effect::Empty];
                effects.extend(put(db, insert_all(revision)).await?);
                Ok(effects)
            }
            Self::Copy(first) => copy(db, first, revision).await,
        }
    }
}

fn first_difficulty(number: u32) -> u8 {
    u8::try_from(number % 3 + 1).unwrap()
}

fn insert_all(revision: u64) -> String {
    format!(
        "INSERT INTO approach_challenges (id, difficulty, points, title)
        SELECT
            ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
            (ARRAY['beginner', 'intermediate', 'advanced'])[n % 3 + 1],
            CASE WHEN n <= {HOT_ROWS} THEN n % 5 + 1 ELSE 50 END,
            'c-' || lpad(n::text, 4, '0') || ' r{revision}'
        FROM generate_series(1, {ALL_ROWS}) AS n {SHOWN}"
    )
}

async fn put(db: &mut PgConnection, statement: String) -> Result<Vec<Effect>, sqlx::Error> {
    let rows: Vec<SqlRow> = sqlx::query_as(sql(statement)).fetch_all(db).await?;
    Ok(rows
        .into_iter()
        .map(|shown| Effect::Put(row(shown)))
        .collect())
}

async fn copy(
    db: &mut PgConnection,
    first: u32,
    revision: u64,
) -> Result<Vec<Effect>, sqlx::Error> {
    let rows: Vec<Row> = (first..first + 20)
        .map(|number| Row {
            difficulty: first_difficulty(number),
            points: 50,
            title: format!("c-{number:04} r{revision}"),
            number,
        })
        .collect();
    let ids: Vec<String> = rows
        .iter()
        .map(|row| format!("'{}'", id_of(row.number)))
        .collect();
    let delete = format!(
        "DELETE FROM approach_challenges WHERE id IN ({})",
        ids.join(",")
    );
    sqlx::raw_sql(sql(delete)).execute(&mut *db).await?;
    let mut copy = db
        .copy_in_raw("COPY approach_challenges (id, difficulty, points, title) FROM STDIN")
        .await?;
    let line = |row: &Row| {
        let difficulty = difficulty_name(row.difficulty);
        format!(
            "{}\t{difficulty}\t{}\t{}\n",
            id_of(row.number),
            row.points,
            row.title
        )
    };
    copy.send(rows.iter().map(line).collect::<String>().into_bytes())
        .await?;
    copy.finish().await?;
    Ok(rows.into_iter().map(Effect::Put).collect())
}

/// One transaction: changes, perhaps a while of doing nothing, and COMMIT, or now and then ROLLBACK.
pub async fn transact(
    db: &mut PgConnection,
    history: &History,
    changes: &[Change],
    rng: &mut StdRng,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("BEGIN").execute(&mut *db).await?;
    if rng.random_ratio(1, 10) {
        sqlx::raw_sql("SET LOCAL session_replication_role = replica")
            .execute(&mut *db)
            .await?;
    }
    let mut effects = Vec::new();
    for change in changes {
        effects.extend(change.apply(db).await?);
    }
    let token = TOKEN.fetch_add(1, Relaxed);
    let mark = format!("INSERT INTO checker.mark VALUES ({token})");
    sqlx::raw_sql(sql(mark)).execute(&mut *db).await?;
    if rng.random_ratio(1, 4) {
        sleep(Duration::from_millis(rng.random_range(1..150))).await;
    }
    if rng.random_ratio(1, 20) {
        sqlx::raw_sql("ROLLBACK").execute(&mut *db).await?;
        return Ok(());
    }
    let write = history.commits(token, effects);
    sqlx::raw_sql("COMMIT").execute(&mut *db).await?;
    history.wrote(write);
    Ok(())
}

/// Fills the empty table.
pub async fn first_rows(servers: &Servers, history: &History) {
    let mut db = servers.database.connect().await;
    // A seed that neither waits nor rolls back.
    for seed in 0.. {
        let before = history.so_far().1.len();
        let mut rng = StdRng::seed_from_u64(seed);
        transact(&mut db, history, &[Change::Replace], &mut rng)
            .await
            .unwrap();
        if history.so_far().1.len() > before {
            return;
        }
    }
}

/// So long may the readers take that a lock has held up.
const LOCK_AFTERMATH: Micros = 500_000;

/// Writes every `pace`, more or less, until `stop`; `held` holds it back. A lost connection is made anew.
pub async fn writer(
    servers: &Servers,
    history: &History,
    (seed, is_large, pace): (u64, bool, Duration),
    held: &tokio::sync::RwLock<()>,
    stop: &CancellationToken,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut session = None;
    while !stop.is_cancelled() {
        sleep(pace.mul_f64(rng.random_range(0.5..1.5))).await;
        let _turn = held.read().await;
        if session.is_none() {
            session = servers.try_connect().await.ok();
        }
        let Some(db) = &mut session else { continue };
        let changes: Vec<_> = if is_large {
            vec![Change::large(&mut rng)]
        } else {
            (0..rng.random_range(1..=2))
                .map(|_| Change::small(&mut rng))
                .collect()
        };
        // TRUNCATE holds every reader of the table up until its COMMIT.
        let locked = is_large.then(|| history.open_window(Trouble::Fills));
        // A deadlock or a restart: whether a COMMIT took effect is asked at the end.
        if transact(db, history, &changes, &mut rng).await.is_err() {
            session = None;
        }
        if let Some(locked) = locked {
            history.close_window(&locked, LOCK_AFTERMATH);
        }
    }
}
