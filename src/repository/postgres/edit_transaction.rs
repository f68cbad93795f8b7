//! The statements of one edit, from its request id to its commit and version.
use sqlx::error::DatabaseError;
use tokio::time::timeout;

use super::{
    PostgresStore, challenge_writes, error_codes::edit_error, store::GRACE,
    transaction::Transaction,
};
use crate::{
    domain::{
        Challenge, ChallengeChange, ChallengeId, EditRefusal, EditStep, EditTerms, Error,
        NewChallenge, UnixMicros, Version,
    },
    repository::{
        challenge_row,
        edit_row::{self, RequestRow, VersionRow},
        row::MAX_PRUNED,
        sql_error::{TimedOut, error_code, is_unreachable},
    },
};

/// The outcome of an earlier request with the same id.
pub(super) type Request = RequestRow<Vec<i64>>;

impl Transaction {
    /// Sets the editor for the history, and returns the outcome of an earlier request with the same id.
    pub(super) async fn begin_edit(&mut self, terms: &EditTerms) -> Result<Request, Error> {
        let key = terms.idempotency_key.as_ref();
        let begin = sqlx::query_as(include_str!("sql/begin_edit.sql"))
            .bind(terms.editor.as_str())
            .bind(key.map(|key| key.id.as_str()))
            .bind(key.map(|key| key.payload.as_slice()))
            .bind(terms.patience.as_secs_f64());
        let request = self.fetch_one(begin).await;
        request.map_err(edit_error("beginning an edit"))
    }

    pub(super) async fn lock(&mut self, id: ChallengeId) -> Result<(), Error> {
        let lock = sqlx::query_as("SELECT challenges_catalog.lock_challenge($1)").bind(id.uuid());
        let locked: Result<(), _> = self.fetch_one(lock).await;
        locked.map_err(edit_error("locking a challenge"))
    }

    /// Reads the challenge as this transaction sees it.
    pub(super) async fn find(&mut self, id: ChallengeId) -> Result<Option<Challenge>, Error> {
        let rows = sqlx::query_as(include_str!("sql/find_many.sql"))
            .bind(vec![id.uuid()])
            // A kept plan fails once the owner has changed the type of a column.
            .persistent(false)
            .fetch_all(&mut *self.0)
            .await
            .map_err(edit_error("reading a challenge to edit"))?;
        challenge_row::read_one(rows)
    }

    pub(super) async fn carry_out(
        &mut self,
        id: ChallengeId,
        step: &EditStep,
    ) -> Result<(), Error> {
        match step {
            EditStep::Insert { new, created_at } => self.insert(new, *created_at).await,
            EditStep::Update(change) => self.update(id, change).await,
            EditStep::Delete => self.delete(id).await,
            EditStep::Keep => Ok(()),
        }
    }

    async fn insert(
        &mut self,
        new: &NewChallenge,
        created_at: Option<UnixMicros>,
    ) -> Result<(), Error> {
        let inserted: Result<Vec<()>, _> =
            self.fetch(challenge_writes::insert(new, created_at)).await;
        inserted.map(drop).map_err(|error| {
            let answered = error.as_database_error();
            // Another writer was first: locking a row that does not exist yet does not stop others.
            if answered.is_some_and(DatabaseError::is_unique_violation) {
                return Error::Refused(EditRefusal::Exists(new.id));
            }
            edit_error("adding a challenge")(error)
        })
    }

    async fn update(&mut self, id: ChallengeId, change: &ChallengeChange) -> Result<(), Error> {
        let updated: Result<Vec<()>, _> = self.fetch(challenge_writes::update(id, change)).await;
        updated
            .map(drop)
            .map_err(edit_error("changing a challenge"))
    }

    async fn delete(&mut self, id: ChallengeId) -> Result<(), Error> {
        let delete = sqlx::query_as("SELECT challenges_catalog.delete_challenge($1)");
        let deleted = self.fetch_one(delete.bind(id.uuid())).await;
        let (referring,): (Option<String>,) =
            deleted.map_err(edit_error("deleting a challenge"))?;
        match referring {
            None => Ok(()),
            Some(table) => Err(Error::Refused(EditRefusal::InUse { id, table })),
        }
    }
}

impl PostgresStore {
    /// Commits, and returns a version of the catalog that has the edit. `id` is the edited challenge, if there is one:
    /// a deferred foreign key of another table may turn out to refer to it only at the commit.
    pub(super) async fn commit_edit(
        &self,
        mut transaction: Transaction,
        terms: &EditTerms,
        id: Option<ChallengeId>,
        tally: Option<Vec<i64>>,
    ) -> Result<Version, Error> {
        let finish = sqlx::query_as("SELECT challenges_catalog.finish_edit($1, $2, $3)")
            .bind(terms.idempotency_key.as_ref().map(|key| key.id.as_str()))
            .bind(id.map(ChallengeId::uuid))
            .bind(tally);
        let finished = transaction.fetch_one(finish).await;
        let (entry,) = finished.map_err(edit_error("finishing an edit"))?;
        let limit = terms.patience + GRACE;
        let done = timeout(limit, transaction.commit()).await;
        let done = done.map_err(|_| Error::outcome_unknown(TimedOut(limit)))?;
        done.map_err(|error| commit_error(id, error))?;
        let version = self.version_of(entry).await;
        self.notifications.push_look();
        version
    }

    /// The version of the commit `entry`, which changed something; for `None` the current version.
    pub(super) async fn version_of(&self, entry: Option<i64>) -> Result<Version, Error> {
        let context = "reading the version of an edit";
        self.number(context).await.map_err(Error::outcome_unknown)?;
        let read = || sqlx::query_as(include_str!("sql/version.sql")).bind(entry);
        let rows: Result<Vec<VersionRow>, Error> = self.fetch(&self.pool, context, read).await;
        // The edit is committed, but an answer needs its version.
        let rows = rows.map_err(Error::outcome_unknown)?;
        edit_row::version(rows.into_iter().next())
    }

    /// Removes request ids that no caller will send again.
    pub(super) async fn prune_edit_requests(&self) -> Result<(), Error> {
        let prune = || {
            sqlx::query_as(include_str!("sql/prune_edit_requests.sql"))
                .bind(edit_row::REQUESTS_KEPT.as_secs_f64())
                .bind(MAX_PRUNED)
        };
        self.call("pruning requests", prune).await
    }
}

/// An error of COMMIT: a foreign key that is checked only there, or a connection that broke before the answer.
fn commit_error(id: Option<ChallengeId>, error: sqlx::Error) -> Error {
    let answered = error.as_database_error();
    if let (Some(id), Some(answered)) = (
        id,
        answered.filter(|answered| answered.is_foreign_key_violation()),
    ) {
        let table = answered.table().unwrap_or("unknown").to_owned();
        return Error::Refused(EditRefusal::InUse { id, table });
    }
    // These classes of codes end the session; but a statement that reached its time limit was not carried out.
    let ends_session =
        |code: String| (code.starts_with("08") || code.starts_with("57")) && code != "57014";
    if is_unreachable(&error) || error_code(&error).is_some_and(ends_session) {
        return Error::outcome_unknown(error);
    }
    edit_error("committing an edit")(error)
}
