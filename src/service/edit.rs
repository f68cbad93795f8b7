//! Use cases that edit single challenges, and read their history.
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::domain::{
    AnswerEncoder, Challenge, ChallengeChange, ChallengeDraft, ChallengeEditor, ChallengeId,
    ChallengeRepository, Decide, EditRefusal, EditStep, EditTerms, Edited, Error, Etag,
    FieldViolation, NewChallenge, Operation, Revision, RevisionQuery, Version,
};

/// How many imports and exports run at once: each holds a connection to the database.
const LONG_AT_ONCE: usize = 2;

/// Edits of the catalog, and their history.
#[derive(Clone)]
pub struct EditService {
    pub(super) editor: Arc<dyn ChallengeEditor>,
    repository: Arc<dyn ChallengeRepository>,
    encoder: Arc<dyn AnswerEncoder>,
    pub(super) long: Arc<Semaphore>,
}

/// The result of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditOutcome {
    /// The challenge as it is now, and the name of what is shown of it; `None` where it is gone.
    pub challenge: Option<(Challenge, Etag)>,
    /// A version of the catalog that has the edit; `None` when it was only tried.
    pub version: Option<Version>,
}

impl EditService {
    /// Edits by `editor` what `repository` reads; etags name what `encoder` makes of a challenge, as those of reads do.
    #[must_use]
    pub fn new(
        editor: Arc<dyn ChallengeEditor>,
        repository: Arc<dyn ChallengeRepository>,
        encoder: Arc<dyn AnswerEncoder>,
    ) -> Self {
        Self {
            editor,
            repository,
            encoder,
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
        }
    }

    /// The challenge as the database has it, the name of what is shown of it, and a version that has it so.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; else as [`ChallengeRepository::find_many`].
    pub async fn get(&self, id: ChallengeId) -> Result<(Challenge, Etag, Version), Error> {
        let found = self.repository.find_many(&[id]).await?;
        let challenge = found.value.into_iter().next();
        let challenge = challenge.ok_or_else(|| Error::no_challenges([id]))?;
        let etag = self.etag(&challenge);
        Ok((challenge, etag, found.version))
    }

    /// Adds a challenge.
    ///
    /// # Errors
    ///
    /// [`EditRefusal::Exists`]; else as [`ChallengeEditor::edit`].
    pub async fn create(&self, new: NewChallenge, terms: &EditTerms) -> Result<EditOutcome, Error> {
        let id = new.id;
        let decide = |found: Option<&Challenge>| match found {
            Some(_) => Err(Error::Refused(EditRefusal::Exists(id))),
            None => Ok(EditStep::Insert {
                new: new.clone(),
                created_at: None,
            }),
        };
        self.edit("created", id, terms, &decide).await
    }

    /// Changes fields of a challenge, if it is the one that `seen` names.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`EditRefusal::Changed`]; else as [`ChallengeEditor::edit`].
    pub async fn update(
        &self,
        id: ChallengeId,
        change: ChallengeChange,
        seen: Option<Etag>,
        terms: &EditTerms,
    ) -> Result<EditOutcome, Error> {
        let decide = |found: Option<&Challenge>| {
            let found = self.as_seen(id, found, seen)?;
            Ok(step(found, &change))
        };
        self.edit("updated", id, terms, &decide).await
    }

    /// Deletes a challenge, if it is the one that `seen` names.
    ///
    /// # Errors
    ///
    /// [`EditRefusal::InUse`]; else as [`Self::update`].
    pub async fn delete(
        &self,
        id: ChallengeId,
        seen: Option<Etag>,
        terms: &EditTerms,
    ) -> Result<EditOutcome, Error> {
        let decide = |found: Option<&Challenge>| {
            self.as_seen(id, found, seen)?;
            Ok(EditStep::Delete)
        };
        self.edit("deleted", id, terms, &decide).await
    }

    /// Makes a challenge what its revision `number` shows, if it is the one that `seen` names.
    ///
    /// # Errors
    ///
    /// [`EditRefusal::NoSuchRevision`]; [`Error::Invalid`] for a revision that breaks the rules;
    /// else as [`Self::update`].
    pub async fn revert(
        &self,
        id: ChallengeId,
        number: i64,
        seen: Option<Etag>,
        terms: &EditTerms,
    ) -> Result<EditOutcome, Error> {
        let Some(revision) = self.editor.revision(id, number).await? else {
            return Err(self.no_such_revision(id, number).await?);
        };
        let created_at = revision.created_at;
        let new = draft(revision).check().map_err(broken_revision)?;
        let decide = |found: Option<&Challenge>| match found {
            Some(_) => {
                let found = self.as_seen(id, found, seen)?;
                Ok(step(found, &everything(&new)))
            }
            None if seen.is_some() => Err(Error::Refused(EditRefusal::Changed(None))),
            None => Ok(EditStep::Insert {
                new: new.clone(),
                created_at,
            }),
        };
        self.edit("reverted", id, terms, &decide).await
    }

    /// States that challenges were in, the newest first.
    ///
    /// # Errors
    ///
    /// As [`ChallengeEditor::revisions`].
    pub async fn revisions(&self, query: RevisionQuery) -> Result<Vec<Revision>, Error> {
        self.editor.revisions(query).await
    }

    /// Pruning takes the oldest first, so only what would be older than all that is there may have been pruned; and
    /// nothing was where the history still has its beginning.
    async fn no_such_revision(&self, id: ChallengeId, number: i64) -> Result<Error, Error> {
        let mut query = RevisionQuery {
            challenge: Some(id),
            before: None,
            limit: u8::MAX,
        };
        let mut oldest = None;
        while let Some(revision) = self.editor.revisions(query).await?.pop() {
            query.before = Some(revision.number);
            oldest = Some(revision);
        }
        let may_be_pruned = oldest.is_some_and(|oldest| match oldest.operation {
            Operation::Found | Operation::Created => false,
            Operation::Updated | Operation::Deleted => number < oldest.number,
        });
        Ok(Error::Refused(EditRefusal::NoSuchRevision {
            number,
            may_be_pruned,
        }))
    }

    /// The challenge, if it is there and the one that the caller saw.
    fn as_seen<'a>(
        &self,
        id: ChallengeId,
        found: Option<&'a Challenge>,
        seen: Option<Etag>,
    ) -> Result<&'a Challenge, Error> {
        let found = found.ok_or_else(|| Error::no_challenges([id]))?;
        let now = self.etag(found);
        match seen {
            Some(seen) if seen != now => Err(Error::Refused(EditRefusal::Changed(Some(now)))),
            Some(_) | None => Ok(found),
        }
    }

    /// The name that reads give it.
    fn etag(&self, challenge: &Challenge) -> Etag {
        Etag::of(Some(&self.encoder.challenge(challenge)))
    }

    /// Edits a challenge as `decide` says, logs it as `what`, and tells what became of it.
    async fn edit(
        &self,
        what: &'static str,
        id: ChallengeId,
        terms: &EditTerms,
        decide: &Decide<'_>,
    ) -> Result<EditOutcome, Error> {
        let Edited { challenge, version } = self.editor.edit(id, terms, decide).await?;
        if let Some(version) = version {
            let editor = terms.editor.as_str();
            tracing::info!(%id, editor, %version, "challenge {what}");
        }
        let challenge = challenge.map(|challenge| {
            let etag = self.etag(&challenge);
            (challenge, etag)
        });
        Ok(EditOutcome { challenge, version })
    }
}

/// The change, or nothing where the challenge is so already.
fn step(found: &Challenge, change: &ChallengeChange) -> EditStep {
    let ChallengeChange {
        difficulty,
        title,
        description,
        points,
        tips,
    } = change;
    let found_tips = found.tips.as_deref().unwrap_or_default();
    let is_same = difficulty.is_none_or(|new| new == found.difficulty)
        && is_so(title.as_deref(), &found.title)
        && is_so(description.as_deref(), &found.description)
        && points.is_none_or(|new| new == found.points)
        && is_so(tips.as_deref(), found_tips);
    if is_same {
        EditStep::Keep
    } else {
        EditStep::Update(change.clone())
    }
}

fn is_so(wanted: Option<&str>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

/// The change to all that is new.
fn everything(new: &NewChallenge) -> ChallengeChange {
    ChallengeChange {
        difficulty: Some(new.difficulty),
        title: Some(new.title.clone()),
        description: Some(new.description.clone()),
        points: Some(new.points),
        tips: Some(new.tips.clone().unwrap_or_default()),
    }
}

fn draft(revision: Revision) -> ChallengeDraft {
    ChallengeDraft {
        id: revision.challenge.to_string(),
        difficulty: revision.difficulty,
        title: revision.title,
        description: revision.description,
        points: revision.points,
        tips: revision.tips,
    }
}

fn broken_revision(wrong: Vec<FieldViolation>) -> Error {
    let problem = |wrong: FieldViolation| {
        let problem = format!("cannot be gone back to: its {wrong}");
        FieldViolation::new("revision", problem)
    };
    Error::Invalid(wrong.into_iter().map(problem).collect())
}
