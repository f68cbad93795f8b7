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
        tip_row::{self, ATTEMPTS_KEPT, TIPS_KEPT, TipRow, bind_attempt, bind_tip},
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
            let keep = sqlx::query_as(include_str!("sql/keep_tip.sql"));
            bind_tip!(keep, tip, origin, origin.challenge.uuid())
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
            let note = sqlx::query_as(include_str!("sql/note_attempt.sql"));
            bind_attempt!(note, attempt)
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
