//! The ports for edits, imports and exports.
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Challenge, ChallengeId, EditStep, EditTerms, Edited, Error, ImportEnd, ImportMode, ImportRow,
    Revision, RevisionQuery, Version,
};

/// Decides what to do with the challenge as it is, which nobody else changes meanwhile.
pub type Decide<'a> = dyn Fn(Option<&Challenge>) -> Result<EditStep, Error> + Send + Sync + 'a;

/// Where challenges are edited: each edit is one commit, with all or nothing of it kept.
#[async_trait]
pub trait ChallengeEditor: Send + Sync {
    /// Locks the challenge, asks `decide` what to do with it, and does that.
    ///
    /// A call that was carried out before is told what came of it, and does nothing.
    ///
    /// # Errors
    ///
    /// What `decide` gives; [`Error::Refused`] when the id is taken, in use, or the request id
    /// was used for something else; [`Error::EditForbidden`]; [`Error::Unavailable`] when the database does not answer, with
    /// [`super::Unavailability::OutcomeUnknown`] when it may have done the edit all the same.
    async fn edit(
        &self,
        id: ChallengeId,
        terms: &EditTerms,
        decide: &Decide<'_>,
    ) -> Result<Edited, Error>;

    /// States that challenges were in, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn revisions(&self, query: RevisionQuery) -> Result<Vec<Revision>, Error>;

    /// One state of one challenge.
    ///
    /// # Errors
    ///
    /// As [`Self::revisions`].
    async fn revision(&self, id: ChallengeId, number: i64) -> Result<Option<Revision>, Error> {
        let query = RevisionQuery {
            challenge: Some(id),
            before: number.checked_add(1),
            limit: 1,
        };
        let found = self.revisions(query).await?.into_iter().next();
        Ok(found.filter(|revision| revision.number == number))
    }

    /// Begins an import, which may take at most `patience`. Nothing of the catalog is locked until
    /// it is finished.
    ///
    /// # Errors
    ///
    /// As [`Self::revisions`].
    async fn import(&self, patience: Duration) -> Result<Box<dyn Importing>, Error>;

    /// Begins to read all challenges as they are now, in the order of their ids. A reader may
    /// take at most `patience` between two pages.
    ///
    /// # Errors
    ///
    /// As [`Self::revisions`].
    async fn export(&self, patience: Duration) -> Result<Box<dyn Exporting>, Error>;
}

/// An import under way. Dropped, it leaves no trace.
#[async_trait]
pub trait Importing: Send {
    /// Takes in rows, in the order of the import.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn add(&mut self, rows: Vec<ImportRow>) -> Result<(), Error>;

    /// Writes all rows, or none; at most `most` conflicts are told.
    ///
    /// # Errors
    ///
    /// As [`ChallengeEditor::edit`].
    async fn finish(
        self: Box<Self>,
        terms: &EditTerms,
        mode: ImportMode,
        most: usize,
    ) -> Result<ImportEnd, Error>;
}

/// All challenges of one moment, page by page.
#[async_trait]
pub trait Exporting: Send {
    /// The version of the catalog that is exported.
    fn version(&self) -> Version;

    /// The next challenges; none at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn next(&mut self) -> Result<Vec<Challenge>, Error>;
}
