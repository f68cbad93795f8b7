//! The statements that write challenges. All that binds their fields, which is by position, is in this file.
use uuid::Uuid;

use super::store::Query;
use crate::{
    domain::{ChallengeChange, ChallengeId, Difficulty, ImportRow, NewChallenge, UnixMicros},
    repository::edit_row::not_empty,
};

/// Adds one; at the time `created_at`, or now.
pub(super) fn insert(new: &NewChallenge, created_at: Option<UnixMicros>) -> Query<()> {
    let NewChallenge {
        id,
        difficulty,
        title,
        description,
        points,
        tips,
    } = new;
    sqlx::query_as(include_str!("sql/insert_challenge.sql"))
        .bind(id.uuid())
        .bind(difficulty.as_str())
        .bind(title.clone())
        .bind(description.clone())
        .bind(*points)
        .bind(not_empty(tips.as_deref()))
        .bind(created_at.map(|at| at.0))
}

/// Changes fields of one.
pub(super) fn update(id: ChallengeId, change: &ChallengeChange) -> Query<()> {
    let ChallengeChange {
        difficulty,
        title,
        description,
        points,
        tips,
    } = change;
    sqlx::query_as("SELECT challenges_catalog.update_challenge($1, $2, $3, $4, $5, $6)")
        .bind(id.uuid())
        .bind(difficulty.map(Difficulty::as_str))
        .bind(title.clone())
        .bind(description.clone())
        .bind(*points)
        .bind(tips.clone())
}

/// Adds those that are missing; gives how many they were.
pub(super) fn insert_missing(challenges: &[NewChallenge]) -> Query<(i64,)> {
    let statement = sqlx::query_as(include_str!("sql/insert_missing.sql"));
    bind_columns(statement, challenges)
}

/// Adds rows to those of an import, behind the first `staged`.
pub(super) fn stage(import: Uuid, staged: i64, rows: &[ImportRow]) -> Query<()> {
    let lines: Vec<i64> = rows.iter().map(|row| row.line).collect();
    let call = "SELECT challenges_catalog.stage_challenges($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let statement = sqlx::query_as(call).bind(import).bind(staged).bind(lines);
    bind_columns(statement, rows.iter().map(|row| &row.challenge))
}

/// Binds an array for each column.
fn bind_columns<'a, R>(
    statement: Query<R>,
    challenges: impl IntoIterator<Item = &'a NewChallenge>,
) -> Query<R> {
    let mut columns = Columns::default();
    for new in challenges {
        columns.push(new);
    }
    statement
        .bind(columns.ids)
        .bind(columns.difficulties)
        .bind(columns.titles)
        .bind(columns.descriptions)
        .bind(columns.points)
        .bind(columns.tips)
}

/// New challenges, column by column.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    difficulties: Vec<&'static str>,
    titles: Vec<String>,
    descriptions: Vec<String>,
    points: Vec<i32>,
    tips: Vec<Option<String>>,
}

impl Columns {
    fn push(&mut self, new: &NewChallenge) {
        let NewChallenge {
            id,
            difficulty,
            title,
            description,
            points,
            tips,
        } = new;
        self.ids.push(id.uuid());
        self.difficulties.push(difficulty.as_str());
        self.titles.push(title.clone());
        self.descriptions.push(description.clone());
        self.points.push(*points);
        self.tips.push(not_empty(tips.as_deref()));
    }
}
