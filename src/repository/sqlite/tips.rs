use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::{
    domain::{
        AttemptRecord, ChallengeId, Error, Locale, PersonaName, Tip, TipKey, TipOrigin, TipStore,
    },
    repository::tip_row::{self, ATTEMPTS_KEPT, MOST_PRUNED, TIPS_KEPT, TipRow, column},
};

/// The catalog changes no more often than this for the sake of tips; the other engine has it in its function.
const SHOW_EVERY: Duration = Duration::from_secs(10);

#[async_trait]
impl TipStore for SqliteStore {
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error> {
        let read = sqlx::query_as(include_str!("sql/find_tip.sql")).bind(key.0.to_vec());
        tip_row::only(self.fetch(&self.pool, "finding a tip", read).await?)
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
        let rows: Vec<TipRow> = self
            .fetch(&self.pool, "finding the newest tip", read)
            .await?;
        tip_row::only(rows)
    }

    async fn save(&self, tip: &Tip, origin: &TipOrigin) -> Result<bool, Error> {
        tip_row::check_tip(tip)?;
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let done = sqlx::query(include_str!("sql/keep_tip.sql"))
                .bind(tip.key.0.as_slice())
                .bind(origin.challenge.uuid().hyphenated())
                .bind(origin.content.as_slice())
                .bind(origin.locale.as_str())
                .bind(origin.persona.as_str())
                .bind(origin.prompt_version.as_str())
                .bind(column(tip.epoch.0))
                .bind(tip.text.as_str())
                .bind(tip.sha256.as_slice())
                .bind(tip.provider.as_str())
                .bind(tip.model.as_str())
                .bind(tip.stop.as_str())
                .bind(column(tip.usage.input_tokens))
                .bind(column(tip.usage.output_tokens))
                .bind(tip.usage.is_estimated)
                .bind(tip.created_at.0)
                .bind(tip.expires_at.0)
                .bind(origin.shown)
                .execute(&mut *transaction)
                .await?;
            let kept = done.rows_affected() > 0;
            if kept && origin.shown {
                show_due(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(kept)
        };
        let kept = self.within("keeping a tip", work).await?;
        self.changed.notify_one();
        Ok(kept)
    }

    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let left = show_due(&mut transaction).await?;
            transaction.commit().await?;
            Ok(left)
        };
        let left = self.within("showing tips", work).await?;
        self.changed.notify_one();
        Ok(left)
    }

    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        tip_row::check_attempt(attempt)?;
        let work = sqlx::query(include_str!("sql/note_attempt.sql"))
            .bind(attempt.ended_at.0)
            .bind(attempt.key.0.as_slice())
            .bind(column(attempt.epoch.0))
            .bind(attempt.provider.as_str())
            .bind(attempt.model.as_str())
            .bind(attempt.outcome.as_str())
            .bind(column(attempt.usage.input_tokens))
            .bind(column(attempt.usage.output_tokens))
            .bind(attempt.usage.is_estimated)
            .bind(column(attempt.cost_micro_usd))
            .execute(&self.pool);
        self.within("noting an attempt", work).await.map(drop)
    }
}

impl SqliteStore {
    /// Takes tips whose time is over out of the catalog, and forgets what is older than it is kept.
    pub(super) async fn prune_tips(&self) -> Result<(), Error> {
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            show_due(&mut transaction).await?;
            sqlx::query(include_str!("sql/hide_expired_tips.sql"))
                .bind(MOST_PRUNED)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(include_str!("sql/prune_tips.sql"))
                .bind(micros(TIPS_KEPT))
                .bind(MOST_PRUNED)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(include_str!("sql/prune_attempts.sql"))
                .bind(micros(ATTEMPTS_KEPT))
                .bind(MOST_PRUNED)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        self.within("pruning tips", work).await?;
        self.changed.notify_one();
        Ok(())
    }
}

/// Shows the tips that are due if the last ones were shown long enough ago; tells how long it is until the
/// rest may be shown.
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

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
