//! The port [`ChallengeEditor`]: edits, the history, imports and exports.
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::{SqliteStore, challenge_writes, export::SqliteExport, import::SqliteImport};
use crate::{
    domain::{
        Challenge, ChallengeEditor, ChallengeId, ChallengeRepository, Decide, EditRefusal,
        EditStep, EditTerms, Edited, Error, Exporting, Importing, Revision, RevisionQuery, Version,
    },
    repository::{
        challenge_row,
        edit_row::{self, RequestRow, RevisionRow, VersionRow},
        row::{MAX_PRUNED, micros},
    },
};

/// The outcome of an earlier request with the same id; its tally is JSON.
pub(super) type Request = RequestRow<String>;

#[async_trait]
impl ChallengeEditor for SqliteStore {
    async fn edit(
        &self,
        id: ChallengeId,
        terms: &EditTerms,
        decide: &Decide<'_>,
    ) -> Result<Edited, Error> {
        let begun = self.pool.begin_with("BEGIN IMMEDIATE");
        let mut transaction = self.within("editing", begun).await?;
        let request = self.begin_edit(&mut transaction, terms).await?;
        if request.is_repeated(terms.idempotency_key.as_ref())? {
            drop(transaction);
            let id = request.id().unwrap_or(id);
            let now = self.find_many(&[id]).await?;
            return Ok(Edited {
                challenge: now.value.into_iter().next(),
                version: Some(self.version_of(request.commit_ref).await?),
            });
        }
        let before = self.find(&mut transaction, id).await?;
        let step = decide(before.as_ref())?;
        self.carry_out(&mut transaction, id, step).await?;
        let challenge = self.find(&mut transaction, id).await?;
        let version = if terms.validate_only {
            None
        } else {
            let done = self.commit_edit(transaction, terms, Some(id), None);
            Some(done.await?)
        };
        Ok(Edited { challenge, version })
    }

    async fn revisions(&self, query: RevisionQuery) -> Result<Vec<Revision>, Error> {
        let (before, limit) = edit_row::bounds(query);
        let read = sqlx::query_as(include_str!("sql/revisions.sql"))
            .bind(query.challenge.map(|id| id.to_string()))
            .bind(before)
            .bind(limit);
        let rows: Vec<RevisionRow> = self.fetch(&self.pool, "listing revisions", read).await?;
        rows.into_iter().map(edit_row::revision).collect()
    }

    async fn import(&self, _: Duration) -> Result<Box<dyn Importing>, Error> {
        Ok(Box::new(SqliteImport::begin(self).await?))
    }

    async fn export(&self, _: Duration) -> Result<Box<dyn Exporting>, Error> {
        Ok(Box::new(SqliteExport::begin(self).await?))
    }
}

impl SqliteStore {
    /// Sets the editor for the history, and returns the outcome of an earlier request with the same id.
    pub(super) async fn begin_edit(
        &self,
        connection: &mut SqliteConnection,
        terms: &EditTerms,
    ) -> Result<Request, Error> {
        let work = async {
            sqlx::query("UPDATE catalog_editor SET name = $1")
                .bind(terms.editor.as_str())
                .execute(&mut *connection)
                .await?;
            let Some(key) = &terms.idempotency_key else {
                return Ok(Request::default());
            };
            let known = sqlx::query_as(include_str!("sql/find_request.sql"))
                .bind(key.id.as_str())
                .fetch_optional(&mut *connection)
                .await?;
            if let Some(known) = known {
                return Ok(known);
            }
            sqlx::query("INSERT INTO edit_requests (id, payload) VALUES ($1, $2)")
                .bind(key.id.as_str())
                .bind(key.payload.as_slice())
                .execute(connection)
                .await?;
            Ok(Request::default())
        };
        self.within("beginning an edit", work).await
    }

    /// Reads the challenge as this transaction sees it.
    async fn find(
        &self,
        connection: &mut SqliteConnection,
        id: ChallengeId,
    ) -> Result<Option<Challenge>, Error> {
        let read = sqlx::query_as(include_str!("sql/find_many.sql"))
            .bind(format!("[\"{id}\"]"))
            .fetch_all(connection);
        let rows = self.within("reading a challenge to edit", read).await?;
        challenge_row::read_one(rows)
    }

    async fn carry_out(
        &self,
        connection: &mut SqliteConnection,
        id: ChallengeId,
        step: EditStep,
    ) -> Result<(), Error> {
        match step {
            EditStep::Insert { new, created_at } => {
                let work = challenge_writes::insert(&new, created_at).execute(connection);
                self.within("adding a challenge", work).await.map(drop)
            }
            EditStep::Update(change) => {
                let work = challenge_writes::update(id, change).execute(connection);
                self.within("changing a challenge", work).await.map(drop)
            }
            EditStep::Delete => {
                let work = delete(connection, id);
                match self.within("deleting a challenge", work).await? {
                    None => Ok(()),
                    Some(table) => Err(Error::Refused(EditRefusal::InUse { id, table })),
                }
            }
            EditStep::Keep => Ok(()),
        }
    }

    /// Commits, and returns a version of the catalog that has the edit.
    pub(super) async fn commit_edit(
        &self,
        mut transaction: Transaction<'_, Sqlite>,
        terms: &EditTerms,
        id: Option<ChallengeId>,
        tally: Option<String>,
    ) -> Result<Version, Error> {
        let work = async {
            let seq: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM catalog_change")
                .fetch_one(&mut *transaction)
                .await?;
            if let Some(key) = &terms.idempotency_key {
                sqlx::query(include_str!("sql/note_outcome.sql"))
                    .bind(key.id.as_str())
                    .bind(seq)
                    .bind(id.map(|id| id.to_string()))
                    .bind(tally)
                    .execute(&mut *transaction)
                    .await?;
            }
            sqlx::query("UPDATE catalog_editor SET name = NULL")
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(seq)
        };
        // This process itself writes the file, so a commit that fails was not made.
        let seq = self.within("committing an edit", work).await?;
        // But a commit to a file that was deleted meanwhile is lost with that file.
        self.file.check().map_err(Error::outcome_unknown)?;
        self.changed.notify_one();
        self.version_of(Some(seq)).await
    }

    /// The version of the change `seq`; for `None` the current version.
    pub(super) async fn version_of(&self, seq: Option<i64>) -> Result<Version, Error> {
        let read = sqlx::query_as(include_str!("sql/version.sql")).bind(seq);
        let context = "reading the version of an edit";
        let rows: Vec<VersionRow> = self.fetch(&self.pool, context, read).await?;
        edit_row::version(rows.into_iter().next())
    }

    /// Removes request ids that no caller will send again.
    pub(super) async fn prune_edit_requests(&self) -> Result<(), Error> {
        let work = sqlx::query(include_str!("sql/prune_edit_requests.sql"))
            .bind(micros(edit_row::REQUESTS_KEPT))
            .bind(MAX_PRUNED)
            .execute(&self.pool);
        self.within("pruning requests", work).await.map(drop)
    }
}

/// Deletes the challenge, with what foreign keys of other tables demand for it. If one of them forbids it, returns all
/// tables that have such a key, because the engine does not name the one.
async fn delete(
    connection: &mut SqliteConnection,
    id: ChallengeId,
) -> Result<Option<String>, sqlx::Error> {
    let deleted = sqlx::query("DELETE FROM approach_challenges WHERE id = $1")
        .bind(id.uuid().hyphenated())
        .execute(&mut *connection)
        .await;
    match deleted {
        Ok(_) => Ok(None),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            let names = sqlx::query_scalar(include_str!("sql/referring_tables.sql"));
            names.fetch_one(connection).await.map(Some)
        }
        Err(error) => Err(error),
    }
}
