//! Use cases that import and export many challenges in one call.
use std::time::{Duration, Instant};

use futures_util::{Stream, stream};
use ring::digest::{Context, SHA256};
use tokio::sync::OwnedSemaphorePermit;

use super::EditService;
use crate::domain::{
    Challenge, ChallengeDraft, EditTerms, Error, Exporting, FieldViolation, IdempotencyKey,
    ImportEnd, ImportMode, ImportRow, Imported, Importing, RequestId, RowConflict, Unavailability,
    Version, finished,
};

/// The most rows of one import.
const ROWS_MAX: usize = 1_000_000;
/// How many problems end the check of further rows.
const PROBLEMS_MAX: usize = 1_000;
/// When it may be worth to ask again while others import or export.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What an import is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// Which rows to take.
    pub mode: ImportMode,
    /// Who imports: for the history.
    pub editor: String,
    /// The caller's name for the call.
    pub request_id: Option<RequestId>,
    /// True: everything is tried, and nothing is kept.
    pub validate_only: bool,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// A row of an import that nobody looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftRow {
    /// Its number for people; 0 stands for its place.
    pub line: i64,
    /// What it says.
    pub draft: ChallengeDraft,
}

/// An import under way. Dropped, it leaves no trace.
pub struct ImportRun {
    importing: Box<dyn Importing>,
    request: ImportRequest,
    rows: usize,
    /// SHA-256 of all that was asked for.
    payload: Context,
    problems: Vec<FieldViolation>,
    _permit: OwnedSemaphorePermit,
}

impl EditService {
    /// Begins an import, which locks nothing of the catalog until it is finished.
    ///
    /// # Errors
    ///
    /// [`Unavailability::Overloaded`] while others import or export;
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn import(&self, request: ImportRequest) -> Result<ImportRun, Error> {
        let permit = self.long_permit()?;
        let importing = self.editor.import(time_left(request.deadline)).await?;
        let mut payload = Context::new(&SHA256);
        payload.update(format!("import {:?} {}", request.mode, request.validate_only).as_bytes());
        Ok(ImportRun {
            importing,
            request,
            rows: 0,
            payload,
            problems: Vec::new(),
            _permit: permit,
        })
    }

    /// Begins to read all challenges as they are now: their version, and pages of them.
    ///
    /// # Errors
    ///
    /// As [`Self::import`].
    pub async fn export(
        &self,
        deadline: Instant,
    ) -> Result<
        (
            Version,
            impl Stream<Item = Result<Vec<Challenge>, Error>> + Send + use<>,
        ),
        Error,
    > {
        let permit = self.long_permit()?;
        let exporting = self.editor.export(time_left(deadline)).await?;
        let version = exporting.version();
        let pages = stream::try_unfold((exporting, permit), next_page);
        Ok((version, pages))
    }

    fn long_permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = std::sync::Arc::clone(&self.long).try_acquire_owned();
        permit.map_err(|_| Error::unavailable(Unavailability::Overloaded, RETRY_AFTER))
    }
}

type Pages = (Box<dyn Exporting>, OwnedSemaphorePermit);

async fn next_page(
    (mut exporting, permit): Pages,
) -> Result<Option<(Vec<Challenge>, Pages)>, Error> {
    let page = exporting.next().await?;
    Ok((!page.is_empty()).then_some((page, (exporting, permit))))
}

impl ImportRun {
    /// Takes in the next rows.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for too many rows or too many wrong fields; [`Error::Unavailable`] when the database does not answer.
    pub async fn add(&mut self, rows: Vec<DraftRow>) -> Result<(), Error> {
        let mut good = Vec::with_capacity(rows.len());
        for row in rows {
            self.rows += 1;
            if self.rows > ROWS_MAX {
                let problem = format!("must be at most {ROWS_MAX} in one import");
                return Err(Error::invalid("rows", problem));
            }
            self.note(&row.draft)?;
            let line = match row.line {
                0 => i64::try_from(self.rows).unwrap_or(i64::MAX),
                line => line,
            };
            match row.draft.check() {
                Ok(challenge) => good.push(ImportRow { line, challenge }),
                Err(wrong) => self.problems.extend(wrong.into_iter().map(|wrong| {
                    let field = format!("rows[{line}].{}", wrong.field);
                    FieldViolation::new(field, wrong.problem)
                })),
            }
        }
        if self.problems.len() >= PROBLEMS_MAX {
            return Err(Error::Invalid(std::mem::take(&mut self.problems)));
        }
        // Once a row is wrong nothing will be written, and the rest is only looked at.
        if self.problems.is_empty() && !good.is_empty() {
            self.importing.add(good).await?;
        }
        Ok(())
    }

    fn note(&mut self, draft: &ChallengeDraft) -> Result<(), Error> {
        let bytes = serde_json::to_vec(draft);
        let bytes = bytes.map_err(|error| Error::internal("hashing a row", error))?;
        self.payload.update(&(bytes.len() as u64).to_le_bytes());
        self.payload.update(&bytes);
        Ok(())
    }

    /// Writes all rows, or none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming rows and fields; else as
    /// [`crate::domain::ChallengeEditor::edit`].
    pub async fn finish(self) -> Result<Imported, Error> {
        let Self {
            importing,
            request,
            rows,
            payload,
            problems,
            _permit,
        } = self;
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        if rows == 0 {
            let problem = "there are none: nothing was imported";
            return Err(Error::invalid("rows", problem));
        }
        let terms = EditTerms {
            editor: request.editor,
            idempotency_key: request.request_id.map(|id| IdempotencyKey {
                id,
                payload: finished(payload),
            }),
            validate_only: request.validate_only,
            patience: time_left(request.deadline),
        };
        match importing.finish(&terms, request.mode, PROBLEMS_MAX).await? {
            ImportEnd::Conflicts(conflicts) => {
                Err(Error::Invalid(conflicts.into_iter().map(told).collect()))
            }
            ImportEnd::Done(imported) => {
                if let Some(version) = imported.version {
                    let (editor, tally) = (terms.editor.as_str(), imported.tally);
                    tracing::info!(editor, rows, ?tally, %version, "challenges imported");
                }
                Ok(imported)
            }
        }
    }
}

fn told(conflict: RowConflict) -> FieldViolation {
    match conflict {
        RowConflict::Repeats { line, first } => FieldViolation::new(
            format!("rows[{line}].id"),
            format!("is that of line {first}"),
        ),
        RowConflict::Exists { line } => FieldViolation::new(
            format!("rows[{line}].id"),
            "is in the catalog already; the mode upsert would change that challenge",
        ),
    }
}

/// At least a moment: a database would take none for no limit.
fn time_left(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.max(Duration::from_millis(1))
}
