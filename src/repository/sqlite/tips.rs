//! The port [`TipStore`]: generated tips, those shown with their challenges, and the records of attempts.
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::{
    domain::{
        AttemptRecord, ChallengeId, Error, Locale, PersonaName, Tip, TipKey, TipOrigin, TipStore,
    },
    repository::{
        row::{MAX_PRUNED, micros, signed},
        tip_row::{self, ATTEMPTS_KEPT, TIPS_KEPT, TipRow, bind_attempt, bind_tip},
    },
};

/// Tips change the catalog at most this often. PostgreSQL has the same limit in its function.
const SHOW_EVERY: Duration = Duration::from_secs(10);

#[async_trait]
impl TipStore for SqliteStore {
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error> {
        let read = sqlx::query_as(include_str!("sql/find_tip.sql")).bind(key.0.to_vec());
        tip_row::read_one(self.fetch(&self.pool, "finding a tip", read).await?)
    }

    async fn newest(
        &self,
        challenge: ChallengeId,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Result<Option<Tip>, Error> {
        let read = sqlx::query_as(include_str!("sql/newest_tip.sql"))
            .bind(challenge.to_string())
            .bind(locale.to_string())
            .bind(persona.to_string());
        let context = "finding the newest tip";
        let rows: Vec<TipRow> = self.fetch(&self.pool, context, read).await?;
        tip_row::read_one(rows)
    }

    async fn save(&self, tip: &Tip, origin: &TipOrigin) -> Result<bool, Error> {
        tip_row::check_tip(tip)?;
        let work = async |connection: &mut _| {
            let keep = sqlx::query(include_str!("sql/keep_tip.sql"));
            let challenge = origin.challenge.uuid().hyphenated();
            let keep = bind_tip!(keep, tip, origin, challenge);
            let done = keep.execute(&mut *connection).await?;
            let kept = done.rows_affected() > 0;
            if kept && origin.shown {
                show_due(connection).await?;
            }
            Ok(kept)
        };
        let kept = self.write("keeping a tip", work).await?;
        self.changed.notify_one();
        Ok(kept)
    }

    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        let left = self.write("showing tips", show_due).await?;
        self.changed.notify_one();
        Ok(left)
    }

    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        tip_row::check_attempt(attempt)?;
        let note = sqlx::query(include_str!("sql/note_attempt.sql"));
        let work = bind_attempt!(note, attempt).execute(&self.pool);
        self.within("noting an attempt", work).await.map(drop)
    }
}

impl SqliteStore {
    /// Hides expired tips, and removes tips and records of attempts that are older than they are kept.
    pub(super) async fn prune_tips(&self) -> Result<(), Error> {
        let work = async |connection: &mut _| {
            show_due(&mut *connection).await?;
            sqlx::query(include_str!("sql/hide_expired_tips.sql"))
                .bind(MAX_PRUNED)
                .execute(&mut *connection)
                .await?;
            sqlx::query(include_str!("sql/prune_tips.sql"))
                .bind(micros(TIPS_KEPT))
                .bind(MAX_PRUNED)
                .execute(&mut *connection)
                .await?;
            sqlx::query(include_str!("sql/prune_attempts.sql"))
                .bind(micros(ATTEMPTS_KEPT))
                .bind(MAX_PRUNED)
                .execute(connection)
                .await
        };
        self.write("pruning tips", work).await?;
        self.changed.notify_one();
        Ok(())
    }
}

/// Shows the due tips with their challenges, if the last ones were shown at least [`SHOW_EVERY`] ago; otherwise returns
/// how long they have to wait.
async fn show_due(connection: &mut SqliteConnection) -> Result<Option<Duration>, sqlx::Error> {
    let left: Option<i64> = sqlx::query_scalar(include_str!("sql/until_tips_are_shown.sql"))
        .bind(micros(SHOW_EVERY))
        .fetch_optional(&mut *connection)
        .await?;
    if left.is_none() {
        return Ok(None);
    }
    let begun = sqlx::query(include_str!("sql/begin_to_show_tips.sql"))
        .bind(micros(SHOW_EVERY))
        .execute(&mut *connection)
        .await?;
    if begun.rows_affected() == 0 {
        return Ok(left.map(|left| Duration::from_micros(left.unsigned_abs())));
    }
    sqlx::query(include_str!("sql/show_due_tips.sql"))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE challenge_tips SET is_due = 0 WHERE is_due")
        .execute(connection)
        .await?;
    Ok(None)
}
