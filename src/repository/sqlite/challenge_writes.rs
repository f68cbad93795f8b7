//! The statements that write challenges. All that binds their fields, which is by position, is in this file.
use sqlx::{Sqlite, query::Query, sqlite::SqliteArguments};

use crate::{
    domain::{ChallengeChange, ChallengeId, Difficulty, ImportRow, NewChallenge, UnixMicros},
    repository::edit_row::not_empty,
};

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Adds one; at the time `created_at`, or now.
pub(super) fn insert(new: &NewChallenge, created_at: Option<UnixMicros>) -> Statement {
    let statement = sqlx::query(include_str!("sql/insert_challenge.sql"));
    bind(statement, new).bind(created_at.map(|at| at.0))
}

/// Changes fields of one.
pub(super) fn update(id: ChallengeId, change: ChallengeChange) -> Statement {
    let ChallengeChange {
        difficulty,
        title,
        description,
        points,
        tips,
    } = change;
    sqlx::query(include_str!("sql/update_challenge.sql"))
        .bind(id.uuid().hyphenated())
        .bind(difficulty.map(Difficulty::as_str))
        .bind(title)
        .bind(description)
        .bind(points)
        .bind(tips)
}

/// Adds one if it is missing.
pub(super) fn insert_missing(new: &NewChallenge) -> Statement {
    bind(sqlx::query(include_str!("sql/insert_missing.sql")), new)
}

/// Adds a row to those of an import.
pub(super) fn stage(row: &ImportRow) -> Statement {
    let statement = sqlx::query(include_str!("sql/stage_challenge.sql"));
    bind(statement.bind(row.line), &row.challenge)
}

/// Binds every field.
fn bind(statement: Statement, new: &NewChallenge) -> Statement {
    let NewChallenge {
        id,
        difficulty,
        title,
        description,
        points,
        tips,
    } = new;
    statement
        .bind(id.uuid().hyphenated())
        .bind(difficulty.as_str())
        .bind(title.clone())
        .bind(description.clone())
        .bind(*points)
        .bind(not_empty(tips.as_deref()))
}
