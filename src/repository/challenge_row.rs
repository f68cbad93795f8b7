//! Reads challenges: the range of the order that a list reads, and the conversion of rows. Other programs
//! write the table, so a row may be invalid: it is left out and does not affect other rows.
use uuid::Uuid;

use super::{
    invalid_rows::{InvalidRow, InvalidRowLog, InvalidRowProblem},
    raw_text::RawText,
    row::{self, unsigned},
    sql_error::data_error,
};
use crate::domain::{
    Challenge, ChallengeId, ChallengePage, Difficulty, Error, ListQuery, Stamped, UnixMicros,
    content_hash,
};

/// One range of one index: the only filter is a range of difficulty ranks.
pub(super) struct ListRange {
    /// The lowest and the highest difficulty rank, inclusive.
    pub(super) ranks: (i32, i32),
    /// The difficulties of these ranks, for the count.
    pub(super) difficulties: Vec<&'static str>,
    /// The position that the page starts behind: rank, points, title, id.
    pub(super) after: (i32, i32, String, Uuid),
    /// How many rows to read: one more than the page has, and more where invalid rows are among them.
    pub(super) limit: i64,
}

impl From<&ListQuery> for ListRange {
    fn from(query: &ListQuery) -> Self {
        let ListQuery {
            difficulty,
            page_size,
            after,
        } = query;
        let [first, .., last] = Difficulty::ALL;
        let (first, last) = difficulty.map_or((first, last), |only| (only, only));
        let after = match after {
            Some(cursor) => (
                cursor.difficulty.rank(),
                cursor.points,
                cursor.title.clone(),
                cursor.id.uuid(),
            ),
            // Sorts before every row of the first rank.
            None => (first.rank() - 1, 0, String::new(), Uuid::nil()),
        };
        Self {
            ranks: (first.rank(), last.rank()),
            difficulties: Difficulty::ALL
                .into_iter()
                .filter(|difficulty| (first..=last).contains(difficulty))
                .map(Difficulty::as_str)
                .collect(),
            after,
            limit: i64::from(page_size.get()) + 1,
        }
    }
}

/// A row of the table; all `None` where a read found no row and returns its stamp only.
#[derive(sqlx::FromRow)]
struct ChallengeRow {
    id: Option<RawText>,
    difficulty: Option<RawText>,
    title: Option<RawText>,
    description: Option<RawText>,
    points: Option<i64>,
    tips: Option<RawText>,
    /// The first column whose text exceeds the size limit; its text is `None`.
    too_long: Option<String>,
    written_tip: Option<String>,
    written_for: Option<Vec<u8>>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
}

/// A row, with the newest commit that its read saw.
#[derive(sqlx::FromRow)]
pub(super) struct StampedRow {
    database: String,
    timeline: i64,
    seq: i64,
    /// Whether the read saw commits that had no number yet.
    pub(super) has_unnumbered: bool,
    #[sqlx(flatten)]
    challenge: ChallengeRow,
}

impl StampedRow {
    pub(super) fn id(&self) -> Option<&RawText> {
        self.challenge.id.as_ref()
    }
}

/// A row of a page, with the number of rows in all pages.
#[derive(sqlx::FromRow)]
pub(super) struct PageRow {
    total_count: i64,
    #[sqlx(flatten)]
    pub(super) stamped: StampedRow,
}

/// The valid and the invalid rows of a read.
#[derive(Debug, Default)]
pub(super) struct ValidatedRows {
    pub(super) challenges: Vec<Challenge>,
    pub(super) invalid: Vec<InvalidRow>,
}

/// The result of reading a page.
enum PageRead {
    /// The page, and the rows that were left out of it.
    Complete(Stamped<ChallengePage>, Vec<InvalidRow>),
    /// Too many rows were left out, and others follow: read again with this limit.
    Retry(i64),
}

/// The most rows that are read for one page. Behind more invalid rows than this in a row, a list ends.
const MAX_ROWS: usize = 20_000;

/// Makes a page of `size` out of `rows`, which were read with `limit`, and `limit` exceeds `size`.
fn page(rows: Vec<PageRow>, size: usize, limit: i64) -> Result<PageRead, Error> {
    let total = rows.first().map_or(0, |row| row.total_count);
    let Stamped { version, value } = read(rows.into_iter().map(|row| row.stamped).collect())?;
    let ValidatedRows {
        mut challenges,
        invalid,
    } = value;
    let count = challenges.len() + invalid.len();
    let is_cut = i64::try_from(count).is_ok_and(|count| count >= limit);
    if challenges.len() <= size && is_cut && count < MAX_ROWS {
        // Twice the invalid rows so far, so that few reads get past many of them.
        let wider = (size + 1 + 2 * invalid.len()).min(MAX_ROWS);
        return Ok(PageRead::Retry(i64::try_from(wider).unwrap_or(i64::MAX)));
    }
    let has_more = challenges.len() > size;
    challenges.truncate(size);
    let value = ChallengePage {
        challenges,
        total_count: unsigned(total)?,
        has_more,
    };
    Ok(PageRead::Complete(Stamped { version, value }, invalid))
}

/// Converts `rows`, which are never empty, because a read that finds nothing still returns its stamp.
pub(super) fn read(rows: Vec<StampedRow>) -> Result<Stamped<ValidatedRows>, Error> {
    let first = rows.first().ok_or_else(|| data_error("no stamp"))?;
    let version = row::version(&first.database, first.timeline, first.seq)?;
    let mut value = ValidatedRows::default();
    for row in rows {
        let Some(id) = row.challenge.id.as_ref().map(RawText::lossy) else {
            continue;
        };
        match challenge(row.challenge) {
            Ok(challenge) => value.challenges.push(challenge),
            Err(problem) => value.invalid.push(InvalidRow { id, problem }),
        }
    }
    Ok(Stamped { version, value })
}

/// The challenges of a read that are valid; the others are logged.
pub(super) fn valid(
    rows: Vec<StampedRow>,
    log: &InvalidRowLog,
) -> Result<Stamped<Vec<Challenge>>, Error> {
    let Stamped { version, value } = read(rows)?;
    log.log_challenges(value.invalid);
    Ok(Stamped {
        version,
        value: value.challenges,
    })
}

/// Reads the page of `query` by `fetch`, again and with more rows while too many of them are invalid; those are logged.
pub(super) async fn read_page<F>(
    query: &ListQuery,
    log: &InvalidRowLog,
    fetch: impl Fn(ListRange) -> F,
) -> Result<Stamped<ChallengePage>, Error>
where
    F: Future<Output = Result<Vec<PageRow>, Error>>,
{
    let mut limit = i64::from(query.page_size.get()) + 1;
    loop {
        let range = ListRange {
            limit,
            ..query.into()
        };
        let rows = fetch(range).await?;
        match page(rows, query.page_size.get().into(), limit)? {
            PageRead::Complete(page, invalid) => {
                log.log_challenges(invalid);
                return Ok(page);
            }
            PageRead::Retry(wider) => limit = wider,
        }
    }
}

/// The challenge of a read by one id; `None` if there is no such row or it is invalid.
pub(super) fn read_one(rows: Vec<StampedRow>) -> Result<Option<Challenge>, Error> {
    Ok(read(rows)?.value.challenges.pop())
}

fn challenge(row: ChallengeRow) -> Result<Challenge, InvalidRowProblem> {
    let optional = |text: Option<RawText>, column| {
        let text = text.map(|text| text.into_string().ok_or(InvalidRowProblem::NotUtf8(column)));
        text.transpose()
    };
    let utf8 = |text, column| optional(text, column).map(Option::unwrap_or_default);
    let id = ChallengeId::parse(&utf8(row.id, "id")?).map_err(|_| InvalidRowProblem::Id)?;
    let difficulty = utf8(row.difficulty, "difficulty")?;
    let difficulty: Difficulty = difficulty
        .parse()
        .map_err(|_| InvalidRowProblem::Difficulty)?;
    if let Some(column) = row.too_long {
        return Err(InvalidRowProblem::TooLong(column));
    }
    let title = utf8(row.title, "title")?;
    let description = utf8(row.description, "description")?;
    // A tip that was written for other texts is hidden; it shows again when they are changed back.
    let fits = |content: Vec<u8>| content == content_hash(&title, &description, difficulty);
    let written_tip = row
        .written_tip
        .filter(|_| row.written_for.is_some_and(fits));
    Ok(Challenge {
        id,
        difficulty,
        title,
        description,
        points: i32::try_from(row.points.unwrap_or(10)).map_err(|_| InvalidRowProblem::Points)?,
        tips: optional(row.tips, "tips")?,
        written_tip,
        created_at: row.created_at.map(UnixMicros),
        updated_at: row.updated_at.map(UnixMicros),
    })
}
