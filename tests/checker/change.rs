//! The ways in which other programs change the catalog, and what each of them leaves.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::{Rng, rngs::StdRng};
use sqlx::PgConnection;

use crate::{
    catalog::{ALL_ROWS, HOT_ROWS, LASTING_ROWS, Row, difficulty_name, id_of},
    history::Effect,
    servers::{SqlRow, row, sql},
    writers::run,
};

static REVISION: AtomicU64 = AtomicU64::new(1);

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
    /// Away, if it was there, and there anew.
    Renew(u32),
}

impl Change {
    /// One of those that touch one row.
    pub fn small(rng: &mut StdRng) -> Self {
        let hot = rng.random_range(1..=HOT_ROWS);
        match rng.random_range(0..10) {
            0..4 => Self::Retitle(hot),
            4..6 => Self::Reprice(hot, rng.random_range(1..=5)),
            6..8 => Self::Move(hot, rng.random_range(1..=3)),
            8 => Self::Delete(rng.random_range(LASTING_ROWS + 1..=HOT_ROWS)),
            _ => Self::Upsert(hot),
        }
    }

    pub fn large(rng: &mut StdRng) -> Self {
        match rng.random_range(0..3) {
            0 => Self::RetitleAll,
            1 => Self::Replace,
            _ => Self::Copy(rng.random_range(HOT_ROWS + 1..ALL_ROWS - 20)),
        }
    }

    pub async fn apply(self, db: &mut PgConnection) -> Result<Vec<Effect>, sqlx::Error> {
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
                let there = "ON CONFLICT (id) DO UPDATE SET title = excluded.title";
                put(db, insert(number, revision, there)).await
            }
            Self::Delete(row) => {
                let gone = put(db, format!("DELETE FROM {table} {}", by_id(row))).await?;
                Ok(gone.iter().map(|_| Effect::Gone(row)).collect())
            }
            Self::RetitleAll => put(db, format!("UPDATE {table} SET {retitle} {SHOWN}")).await,
            Self::Replace => {
                run(db, &format!("TRUNCATE {table}")).await?;
                let mut effects = vec![Effect::Empty];
                effects.extend(put(db, insert_all(ALL_ROWS, revision)).await?);
                Ok(effects)
            }
            Self::Copy(first) => copy(db, first, revision).await,
            Self::Renew(number) => {
                run(
                    db,
                    &format!("DELETE FROM {table} WHERE id = '{}'", id_of(number)),
                )
                .await?;
                put(db, insert(number, revision, "")).await
            }
        }
    }
}

fn insert(number: u32, revision: u64, on_conflict: &str) -> String {
    format!(
        "INSERT INTO approach_challenges (id, difficulty, points, title)
        VALUES ('{}', '{}', 3, 'c-{number:04} r{revision}') {on_conflict} {SHOWN}",
        id_of(number),
        difficulty_name(first_difficulty(number)),
    )
}

fn first_difficulty(number: u32) -> u8 {
    u8::try_from(number % 3 + 1).unwrap()
}

/// The statement that makes the rows up to `last`.
pub fn insert_all(last: u32, revision: u64) -> String {
    format!(
        "INSERT INTO approach_challenges (id, difficulty, points, title)
        SELECT
            ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
            (ARRAY['beginner', 'intermediate', 'advanced'])[n % 3 + 1],
            CASE WHEN n <= {HOT_ROWS} THEN n % 5 + 1 ELSE 50 END,
            'c-' || lpad(n::text, 4, '0') || ' r{revision}'
        FROM generate_series(1, {last}) AS n {SHOWN}"
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
    run(db, &delete).await?;
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
