use tonic::async_trait;

use super::SqliteStore;
use crate::{
    domain::{
        AttemptRecord, ChallengeId, Error, Locale, PersonaName, Tip, TipKey, TipOrigin, TipStore,
    },
    repository::tip_row::{self, ATTEMPTS_KEPT, MOST_PRUNED, TIPS_KEPT, TipRow, column},
};

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
                .bind(origin.edition.as_str())
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
                .execute(&mut *transaction)
                .await?;
            let kept = done.rows_affected() > 0;
            if kept && origin.shown {
                sqlx::query(include_str!("sql/show_tip.sql"))
                    .bind(tip.key.0.as_slice())
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(kept)
        };
        let kept = self.within("keeping a tip", work).await?;
        self.changed.notify_one();
        Ok(kept)
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
        let micros =
            |kept: std::time::Duration| i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
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
