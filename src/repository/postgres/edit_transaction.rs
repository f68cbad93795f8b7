use std::time::Duration;

use tokio::time::timeout;

use super::{PostgresStore, codes::edit_fault, store::GRACE, transaction::Transaction};
use crate::{
    domain::{Challenge, ChallengeId, EditRefusal, EditTerms, Error, Version},
    repository::{
        challenge_row,
        edit_row::{self, RequestRow, VersionRow},
        fault::{NoAnswer, code_of, is_away},
    },
};

/// Begins a transaction that writes.
pub(super) const BEGIN: &str = include_str!("sql/begin.sql");

/// What came of a request before, as this engine keeps it.
pub(super) type Request = RequestRow<Vec<i64>>;

impl PostgresStore {
    /// Names the editor to the history, and tells what came of the same request before.
    pub(super) async fn begin_edit(
        transaction: &mut Transaction,
        terms: &EditTerms,
    ) -> Result<Request, Error> {
        let once = terms.idempotency_key.as_ref();
        let request: Request = sqlx::query_as(include_str!("sql/begin_edit.sql"))
            .bind(terms.editor.as_str())
            .bind(once.map(|once| once.id.as_str()))
            .bind(once.map(|once| once.payload.as_slice()))
            .bind(terms.patience.as_secs_f64())
            .persistent(transaction.keeps_statements())
            .fetch_one(&mut **transaction)
            .await
            .map_err(|error| edit_fault("beginning an edit", error))?;
        Ok(request)
    }

    /// The challenge as this transaction sees it.
    pub(super) async fn find(
        transaction: &mut Transaction,
        id: ChallengeId,
    ) -> Result<Option<Challenge>, Error> {
        let rows = sqlx::query_as(include_str!("sql/find_many.sql"))
            .bind(vec![id.uuid()])
            // A plan that is kept fails once the owner has changed the type of a column.
            .persistent(false)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| edit_fault("reading a challenge to edit", error))?;
        challenge_row::only(rows)
    }

    /// Commits, and gives the version of the catalog that has the edit. `id` is the challenge,
    /// where there is one, that a row of another table may turn out to refer to at the last moment.
    pub(super) async fn commit_edit(
        &self,
        mut transaction: Transaction,
        terms: &EditTerms,
        id: Option<ChallengeId>,
        tally: Option<Vec<i64>>,
    ) -> Result<Version, Error> {
        let entry: Option<i64> =
            sqlx::query_scalar("SELECT challenges_catalog.finish_edit($1, $2, $3)")
                .bind(terms.idempotency_key.as_ref().map(|once| once.id.as_str()))
                .bind(id.map(ChallengeId::uuid))
                .bind(tally)
                .persistent(transaction.keeps_statements())
                .fetch_one(&mut *transaction)
                .await
                .map_err(|error| edit_fault("finishing an edit", error))?;
        let limit = terms.patience + GRACE;
        let done = timeout(limit, transaction.commit()).await;
        let done = done.map_err(|_| Error::outcome_unknown(NoAnswer(limit)))?;
        done.map_err(|error| commit_fault(id, error))?;
        let version = self.version_of(entry).await;
        self.hints.look();
        version
    }

    /// The version that a commit made; that of now where nothing was changed.
    pub(super) async fn version_of(&self, entry: Option<i64>) -> Result<Version, Error> {
        let context = "reading the version of an edit";
        self.number(context).await.map_err(Error::outcome_unknown)?;
        let read = || sqlx::query_as(include_str!("sql/version.sql")).bind(entry);
        let rows: Result<Vec<VersionRow>, Error> = self.fetch(&self.pool, context, read).await;
        // The edit is done, but an answer without its version would be half of one.
        let rows = rows.map_err(Error::outcome_unknown)?;
        edit_row::version(rows.into_iter().next())
    }

    /// Forgets requests that nobody will make again.
    pub(super) async fn prune_edit_requests(&self) -> Result<(), Error> {
        let most = crate::repository::tip_row::MOST_PRUNED;
        let call = || {
            sqlx::query_as(include_str!("sql/prune_edit_requests.sql"))
                .bind(edit_row::REQUESTS_KEPT.as_secs_f64())
                .bind(most)
        };
        self.call("pruning requests", call).await
    }
}

/// An error of COMMIT: a reference that is checked only then, or a connection that was lost with
/// the answer.
fn commit_fault(id: Option<ChallengeId>, error: sqlx::Error) -> Error {
    if let Some(refusal) = id.and_then(|id| in_use(id, &error)) {
        return refusal;
    }
    // Classes of sessions that ended; but a statement that took too long was not carried out.
    let is_end =
        |code: String| (code.starts_with("08") || code.starts_with("57")) && code != "57014";
    let is_lost = is_away(&error) || code_of(&error).is_some_and(is_end);
    if is_lost {
        return Error::outcome_unknown(error);
    }
    edit_fault("committing an edit", error)
}

/// The refusal that a violated reference stands for.
fn in_use(id: ChallengeId, error: &sqlx::Error) -> Option<Error> {
    let error = error.as_database_error()?;
    if !error.is_foreign_key_violation() {
        return None;
    }
    let table = error.table().unwrap_or("unknown").to_owned();
    Some(Error::Refused(EditRefusal::InUse { id, table }))
}

/// How long a page of an import or export may take beside its patience.
pub(super) fn statement_limit(patience: Duration) -> String {
    format!("{}ms", patience.as_millis())
}
