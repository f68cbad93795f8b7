use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    domain::{
        AttemptRecord, ChallengeId, Error, Locale, PersonaName, Tip, TipKey, TipOrigin, TipStore,
    },
    repository::tip_row::{self, ATTEMPTS_KEPT, MOST_PRUNED, TIPS_KEPT, TipRow, column},
};

#[async_trait]
impl TipStore for PostgresStore {
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error> {
        let read = || sqlx::query_as(include_str!("sql/find_tip.sql")).bind(key.0);
        tip_row::only(self.fetch(&self.pool, "finding a tip", read).await?)
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
        let rows: Vec<TipRow> = self
            .fetch(&self.pool, "finding the newest tip", read)
            .await?;
        tip_row::only(rows)
    }

    // Made twice, because a connection died with the answer, it does no harm: the second call finds
    // its own epoch, and says that nothing was kept.
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
                .bind(column(tip.epoch.0))
                .bind(tip.text.clone())
                .bind(tip.sha256)
                .bind(tip.provider.clone())
                .bind(tip.model.clone())
                .bind(tip.stop.as_str())
                .bind(column(tip.usage.input_tokens))
                .bind(column(tip.usage.output_tokens))
                .bind(tip.usage.is_estimated)
                .bind(tip.created_at.0)
                .bind(tip.expires_at.0)
                .bind(origin.shown)
        };
        let rows: Vec<(bool,)> = self.fetch(&self.pool, "keeping a tip", call).await?;
        self.hints.look();
        Ok(rows.iter().any(|(kept,)| *kept))
    }

    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        let call = || {
            sqlx::query_as(
                "SELECT extract(epoch FROM challenges_catalog.show_tips())::double precision",
            )
        };
        let rows: Vec<(Option<f64>,)> = self.fetch(&self.pool, "showing tips", call).await?;
        self.hints.look();
        let seconds = rows.into_iter().find_map(|(seconds,)| seconds);
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    // Made twice, it counts once.
    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        tip_row::check_attempt(attempt)?;
        let call = || {
            sqlx::query_as(include_str!("sql/note_attempt.sql"))
                .bind(attempt.ended_at.0)
                .bind(attempt.key.0)
                .bind(column(attempt.epoch.0))
                .bind(attempt.provider.clone())
                .bind(attempt.model.clone())
                .bind(attempt.outcome.clone())
                .bind(column(attempt.usage.input_tokens))
                .bind(column(attempt.usage.output_tokens))
                .bind(attempt.usage.is_estimated)
                .bind(column(attempt.cost_micro_usd))
        };
        self.call("noting an attempt", call).await
    }
}

impl PostgresStore {
    /// Takes tips whose time is over out of the catalog, and forgets what is older than it is kept.
    pub(super) async fn prune_tips(&self) -> Result<(), Error> {
        let call = || {
            sqlx::query_as(include_str!("sql/prune_tips.sql"))
                .bind(TIPS_KEPT.as_secs_f64())
                .bind(ATTEMPTS_KEPT.as_secs_f64())
                .bind(MOST_PRUNED)
        };
        self.call("pruning tips", call).await
    }
}
