//! The port [`TipStore`]: generated tips, those shown with their challenges, and the records of attempts.
use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    domain::{
        AttemptRecord, ChallengeId, Error, Locale, PersonaName, Tip, TipKey, TipOrigin, TipStore,
    },
    repository::{
        row::{MAX_PRUNED, signed},
        tip_row::{self, ATTEMPTS_KEPT, TIPS_KEPT, TipRow},
    },
};

#[async_trait]
impl TipStore for PostgresStore {
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error> {
        let read = || sqlx::query_as(include_str!("sql/find_tip.sql")).bind(key.0);
        tip_row::read_one(self.fetch(&self.pool, "finding a tip", read).await?)
    }

    async fn newest(
        &self,
        challenge: ChallengeId,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Result<Option<Tip>, Error> {
        let read = || {
            sqlx::query_as(include_str!("sql/newest_tip.sql"))
                .bind(challenge.uuid())
                .bind(locale.to_string())
                .bind(persona.to_string())
        };
        let context = "finding the newest tip";
        let rows: Vec<TipRow> = self.fetch(&self.pool, context, read).await?;
        tip_row::read_one(rows)
    }

    // Safe to retry: the second call finds its own epoch, and returns that nothing was kept.
    async fn save(&self, tip: &Tip, origin: &TipOrigin) -> Result<bool, Error> {
        tip_row::check_tip(tip)?;
        let call = || {
            sqlx::query_as(include_str!("sql/keep_tip.sql"))
                .bind(tip.key.0)
                .bind(origin.challenge.uuid())
                .bind(origin.content)
                .bind(origin.locale.to_string())
                .bind(origin.persona.to_string())
                .bind(origin.prompt_version.clone())
                .bind(signed(tip.epoch.0))
                .bind(tip.text.clone())
                .bind(tip.sha256)
                .bind(tip.provider.clone())
                .bind(tip.model.clone())
                .bind(tip.stop.as_str())
                .bind(signed(tip.usage.input_tokens))
                .bind(signed(tip.usage.output_tokens))
                .bind(tip.usage.is_estimated)
                .bind(tip.created_at.0)
                .bind(tip.expires_at.0)
                .bind(origin.shown)
        };
        let is_kept = self.fetch_one("keeping a tip", call).await?;
        self.notifications.push_look();
        Ok(is_kept.unwrap_or(false))
    }

    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        let show = "SELECT extract(epoch FROM challenges_catalog.show_tips())::double precision";
        let seconds = self.fetch_one("showing tips", || sqlx::query_as(show));
        let seconds: Option<f64> = seconds.await?.flatten();
        self.notifications.push_look();
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    // Safe to retry: an attempt counts once.
    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        tip_row::check_attempt(attempt)?;
        let call = || {
            sqlx::query_as(include_str!("sql/note_attempt.sql"))
                .bind(attempt.ended_at.0)
                .bind(attempt.key.0)
                .bind(signed(attempt.epoch.0))
                .bind(attempt.provider.clone())
                .bind(attempt.model.clone())
                .bind(attempt.outcome.clone())
                .bind(signed(attempt.usage.input_tokens))
                .bind(signed(attempt.usage.output_tokens))
                .bind(attempt.usage.is_estimated)
                .bind(signed(attempt.cost_micro_usd))
        };
        self.call("noting an attempt", call).await
    }
}

impl PostgresStore {
    /// Hides expired tips, and removes tips and records of attempts that are older than they are kept.
    pub(super) async fn prune_tips(&self) -> Result<(), Error> {
        let prune = || {
            sqlx::query_as(include_str!("sql/prune_tips.sql"))
                .bind(TIPS_KEPT.as_secs_f64())
                .bind(ATTEMPTS_KEPT.as_secs_f64())
                .bind(MAX_PRUNED)
        };
        self.call("pruning tips", prune).await
    }
}
