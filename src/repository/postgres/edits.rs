//! The port [`ChallengeEditor`]: edits, the history, imports and exports.
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    PostgresStore, edit_transaction::Request, error_codes::is_connection_lost,
    export::PostgresExport, import::PostgresImport, store::GRACE, transaction::Transaction,
};
use crate::{
    domain::{
        Challenge, ChallengeEditor, ChallengeId, ChallengeRepository, Decide, EditStep, EditTerms,
        Edited, Error, Exporting, Importing, Revision, RevisionQuery,
    },
    repository::{
        edit_row::{self, RevisionRow},
        sql_error::{DataError, TimedOut},
    },
};

#[async_trait]
impl ChallengeEditor for PostgresStore {
    async fn edit(
        &self,
        id: ChallengeId,
        terms: &EditTerms,
        decide: &Decide<'_>,
    ) -> Result<Edited, Error> {
        let mut prepared = self.prepare(id, terms, decide).await;
        if prepared.as_ref().is_err_and(is_connection_lost) {
            // Nothing is committed yet.
            prepared = self.prepare(id, terms, decide).await;
        }
        let (transaction, challenge) = match prepared? {
            Prepared::Changed(transaction, challenge) => (transaction, challenge),
            Prepared::Repeated(request) => {
                let id = request.id().unwrap_or(id);
                let now = self.find_many(&[id]).await?;
                return Ok(Edited {
                    challenge: now.value.into_iter().next(),
                    version: Some(self.version_of(request.commit_ref).await?),
                });
            }
        };
        let version = if terms.validate_only {
            transaction.roll_back().await;
            None
        } else {
            Some(self.commit_edit(transaction, terms, Some(id), None).await?)
        };
        Ok(Edited { challenge, version })
    }

    async fn revisions(&self, query: RevisionQuery) -> Result<Vec<Revision>, Error> {
        let (before, limit) = edit_row::bounds(query);
        let challenge = query.challenge.map(ChallengeId::uuid);
        let read = || {
            sqlx::query_as(include_str!("sql/revisions.sql"))
                .bind(challenge)
                .bind(before)
                .bind(limit)
        };
        let context = "listing revisions";
        // So that the list has what plain SQL has just committed.
        self.number(context).await?;
        let rows: Vec<RevisionRow> = self.fetch_from_primary(&self.pool, context, read).await?;
        rows.into_iter().map(edit_row::revision).collect()
    }

    async fn import(&self, patience: Duration) -> Result<Box<dyn Importing>, Error> {
        Ok(Box::new(PostgresImport::begin(self, patience).await?))
    }

    async fn export(&self, patience: Duration) -> Result<Box<dyn Exporting>, Error> {
        Ok(Box::new(PostgresExport::begin(self, patience).await?))
    }
}

/// The state of an edit before its commit.
enum Prepared {
    /// The edit is carried out, with the challenge as it is now.
    Changed(Transaction, Option<Challenge>),
    /// The same request was carried out before.
    Repeated(Request),
}

impl PostgresStore {
    async fn prepare(
        &self,
        id: ChallengeId,
        terms: &EditTerms,
        decide: &Decide<'_>,
    ) -> Result<Prepared, Error> {
        let limit = terms.patience + GRACE;
        let preparing = async {
            let mut transaction = self.begin("editing").await?;
            match change(&mut transaction, id, terms, decide).await {
                Ok(Ok(challenge)) => Ok(Prepared::Changed(transaction, challenge)),
                Ok(Err(request)) => {
                    transaction.roll_back().await;
                    Ok(Prepared::Repeated(request))
                }
                Err(error) => {
                    if !matches!(error, Error::Unavailable { .. }) {
                        transaction.roll_back().await;
                    }
                    Err(error)
                }
            }
        };
        let prepared = timeout(limit, preparing).await;
        prepared.unwrap_or_else(|_| Err(Error::datastore(TimedOut(limit))))
    }
}

/// Carries an edit out and returns the challenge as it is then; the inner `Err` is the outcome of an earlier request
/// with the same id.
async fn change(
    transaction: &mut Transaction,
    id: ChallengeId,
    terms: &EditTerms,
    decide: &Decide<'_>,
) -> Result<Result<Option<Challenge>, Request>, Error> {
    let request = transaction.begin_edit(terms).await?;
    if request.is_repeated(terms.idempotency_key.as_ref())? {
        return Ok(Err(request));
    }
    transaction.lock(id).await?;
    let before = transaction.find(id).await?;
    let step = decide(before.as_ref())?;
    transaction.carry_out(id, &step).await?;
    let after = transaction.find(id).await?;
    check_visible(&step, before.as_ref(), after.as_ref())?;
    Ok(Ok(after))
}

/// Refuses an edit without a visible effect: a policy may have hidden the row from the statement, which then does
/// nothing and reports no error, or from this role's reads.
fn check_visible(
    step: &EditStep,
    before: Option<&Challenge>,
    after: Option<&Challenge>,
) -> Result<(), Error> {
    let is_visible = match step {
        EditStep::Insert { .. } => after.is_some(),
        EditStep::Update(_) => after.is_some() && after.map(edited) != before.map(edited),
        EditStep::Delete => after.is_none(),
        EditStep::Keep => true,
    };
    let hidden = || DataError("the edit does not show: policies hide its row".to_owned());
    is_visible
        .then_some(())
        .ok_or_else(|| Error::EditForbidden {
            source: Some(hidden().into()),
        })
}

/// The challenge without what no edit sets.
fn edited(challenge: &Challenge) -> Challenge {
    Challenge {
        written_tip: None,
        created_at: None,
        updated_at: None,
        ..challenge.clone()
    }
}
