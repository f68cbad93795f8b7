use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    PostgresStore,
    codes::{edit_fault, is_lost_session},
    edit_transaction::{BEGIN, Request},
    export::Snapshot,
    import::Import,
    store::GRACE,
    transaction::Transaction,
};
use crate::{
    domain::{
        Challenge, ChallengeChange, ChallengeEditor, ChallengeId, Decide, Difficulty, EditRefusal,
        EditStep, EditTerms, Edited, Error, Exporting, Importing, NewChallenge, Revision,
        RevisionQuery, UnixMicros,
    },
    repository::{
        edit_row::{self, RevisionRow},
        fault::{Broken, NoAnswer},
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
        if prepared.as_ref().is_err_and(is_lost_session) {
            // Nothing is committed yet.
            prepared = self.prepare(id, terms, decide).await;
        }
        let (transaction, challenge) = match prepared? {
            Prepared::Changed(transaction, challenge) => (transaction, challenge),
            Prepared::Before(request) => {
                let id = request.id().unwrap_or(id);
                let now = crate::domain::ChallengeRepository::find_many(self, &[id]).await?;
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
        // What plain SQL has just committed is to be seen too.
        self.number(context).await?;
        let rows: Vec<RevisionRow> = self.fetch_current(&self.pool, context, read).await?;
        rows.into_iter().map(edit_row::revision).collect()
    }

    async fn revision(&self, id: ChallengeId, number: i64) -> Result<Option<Revision>, Error> {
        let just_this = RevisionQuery {
            challenge: Some(id),
            before: number.checked_add(1),
            limit: 1,
        };
        let found = self.revisions(just_this).await?.into_iter().next();
        Ok(found.filter(|revision| revision.number == number))
    }

    async fn import(&self, patience: Duration) -> Result<Box<dyn Importing>, Error> {
        Ok(Box::new(Import::begin(self, patience).await?))
    }

    async fn export(&self, patience: Duration) -> Result<Box<dyn Exporting>, Error> {
        Ok(Box::new(Snapshot::begin(self, patience).await?))
    }
}

/// What came of an edit before its commit.
enum Prepared {
    /// It is carried out, and this is what the challenge is then.
    Changed(Transaction, Option<Challenge>),
    /// The same request was carried out before.
    Before(Request),
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
            let mut transaction = self.begin("editing", BEGIN).await?;
            match change(&mut transaction, id, terms, decide).await {
                Ok(Ok(challenge)) => Ok(Prepared::Changed(transaction, challenge)),
                Ok(Err(request)) => {
                    transaction.roll_back().await;
                    Ok(Prepared::Before(request))
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
        prepared.unwrap_or_else(|_| Err(Error::datastore(NoAnswer(limit))))
    }
}

/// Carries an edit out, and gives the challenge as it is then; or what came of the same request before.
async fn change(
    transaction: &mut Transaction,
    id: ChallengeId,
    terms: &EditTerms,
    decide: &Decide<'_>,
) -> Result<Result<Option<Challenge>, Request>, Error> {
    let request = PostgresStore::begin_edit(transaction, terms).await?;
    if request.is_repeated(terms.idempotency_key.as_ref())? {
        return Ok(Err(request));
    }
    lock(transaction, id).await?;
    let before = PostgresStore::find(transaction, id).await?;
    let step = decide(before.as_ref())?;
    carry_out(transaction, id, &step).await?;
    let after = PostgresStore::find(transaction, id).await?;
    check_done(&step, before.as_ref(), after.as_ref())?;
    Ok(Ok(after))
}

async fn lock(transaction: &mut Transaction, id: ChallengeId) -> Result<(), Error> {
    sqlx::query("SELECT challenges_catalog.lock_challenge($1)")
        .bind(id.uuid())
        .persistent(transaction.keeps_statements())
        .execute(&mut **transaction)
        .await
        .map_err(|error| edit_fault("locking a challenge", error))?;
    Ok(())
}

async fn carry_out(
    transaction: &mut Transaction,
    id: ChallengeId,
    step: &EditStep,
) -> Result<(), Error> {
    match step {
        EditStep::Insert { new, created_at } => insert(transaction, new, *created_at).await,
        EditStep::Update(change) => update(transaction, id, change).await,
        EditStep::Delete => delete(transaction, id).await,
        EditStep::Keep => Ok(()),
    }
}

/// Policies can hide a row from a statement, which then does nothing, and says nothing; or from this
/// role, which cannot tell then what it did.
fn check_done(
    step: &EditStep,
    before: Option<&Challenge>,
    after: Option<&Challenge>,
) -> Result<(), Error> {
    let is_done = match step {
        EditStep::Insert { .. } => after.is_some(),
        EditStep::Update(_) => after.is_some() && after.map(fields) != before.map(fields),
        EditStep::Delete => after.is_none(),
        EditStep::Keep => true,
    };
    let hidden = || Broken("the edit does not show: policies hide its row".to_owned());
    is_done.then_some(()).ok_or_else(|| Error::EditForbidden {
        source: Some(hidden().into()),
    })
}

/// What an edit can change.
fn fields(challenge: &Challenge) -> (Difficulty, &str, &str, i32, Option<&str>) {
    let Challenge {
        difficulty,
        title,
        description,
        points,
        tips,
        ..
    } = challenge;
    (*difficulty, title, description, *points, tips.as_deref())
}

async fn insert(
    transaction: &mut Transaction,
    new: &NewChallenge,
    created_at: Option<UnixMicros>,
) -> Result<(), Error> {
    let inserted = sqlx::query(include_str!("sql/insert_challenge.sql"))
        .bind(new.id.uuid())
        .bind(new.difficulty.as_str())
        .bind(new.title.as_str())
        .bind(new.description.as_str())
        .bind(new.points)
        .bind(edit_row::tip_of(new))
        .bind(created_at.map(|at| at.0))
        .persistent(transaction.keeps_statements())
        .execute(&mut **transaction)
        .await;
    inserted.map(drop).map_err(|error| {
        // Another writer came first, whom the lock of a row that was not there did not stop.
        let is_taken = error
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
        if is_taken {
            Error::Refused(EditRefusal::Exists(new.id))
        } else {
            edit_fault("adding a challenge", error)
        }
    })
}

async fn update(
    transaction: &mut Transaction,
    id: ChallengeId,
    change: &ChallengeChange,
) -> Result<(), Error> {
    sqlx::query("SELECT challenges_catalog.update_challenge($1, $2, $3, $4, $5, $6)")
        .bind(id.uuid())
        .bind(change.difficulty.map(Difficulty::as_str))
        .bind(change.title.as_deref())
        .bind(change.description.as_deref())
        .bind(change.points)
        .bind(change.tips.as_deref())
        .persistent(transaction.keeps_statements())
        .execute(&mut **transaction)
        .await
        .map_err(|error| edit_fault("changing a challenge", error))?;
    Ok(())
}

async fn delete(transaction: &mut Transaction, id: ChallengeId) -> Result<(), Error> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT challenges_catalog.delete_challenge($1)")
            .bind(id.uuid())
            .persistent(transaction.keeps_statements())
            .fetch_one(&mut **transaction)
            .await
            .map_err(|error| edit_fault("deleting a challenge", error))?;
    match table {
        None => Ok(()),
        Some(table) => Err(Error::Refused(EditRefusal::InUse { id, table })),
    }
}
