//! Challenges as both engines give them, and what they mean. Other programs write the table, so a
//! row may be odd: it is left out, and costs none of its neighbours anything.
use super::{
    odd_rows::{OddRow, Oddity},
    row::{self, broken, unsigned},
    text::Text,
};
use crate::domain::{
    Challenge, ChallengeId, ChallengePage, Difficulty, Error, Stamped, UnixMicros, content_hash,
};

/// A row of the table; all `None` where a read found no row and tells its stamp only.
#[derive(sqlx::FromRow)]
struct ChallengeRow {
    id: Option<Text>,
    difficulty: Option<Text>,
    title: Option<Text>,
    description: Option<Text>,
    points: Option<i64>,
    tips: Option<Text>,
    /// The first column whose text is longer than is read: it comes as `None`.
    too_long: Option<String>,
    written_tip: Option<String>,
    written_for: Option<Vec<u8>>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
}

/// A row with the commit that its reader saw.
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
    /// The id of the row, as it is.
    pub(super) fn id(&self) -> Option<&Text> {
        self.challenge.id.as_ref()
    }
}

/// A row of a page, with what is known of all pages.
#[derive(sqlx::FromRow)]
pub(super) struct PageRow {
    total_count: i64,
    #[sqlx(flatten)]
    stamped: StampedRow,
}

impl PageRow {
    /// Whether the read saw commits that had no number yet.
    pub(super) fn has_unnumbered(&self) -> bool {
        self.stamped.has_unnumbered
    }
}

/// What a read found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What can be shown.
    pub(super) challenges: Vec<Challenge>,
    /// What cannot.
    pub(super) odd: Vec<OddRow>,
}

/// What became of the read of a page.
pub(super) enum PageRead {
    /// The page, and the rows that were left out on the way.
    Whole(Stamped<ChallengePage>, Vec<OddRow>),
    /// Too many rows were left out, and others follow: it is to be read again, with this limit.
    Wider(i64),
}

/// So many rows are read for one page at most, however many of them are left out. Behind more odd
/// rows than this in a row, a list ends.
const MOST_ROWS: usize = 20_000;

/// The page of a list of `size`. At most `limit` rows were read, which is more than `size`.
pub(super) fn page(rows: Vec<PageRow>, size: usize, limit: i64) -> Result<PageRead, Error> {
    let total = rows.first().map_or(0, |row| row.total_count);
    let Stamped { version, value } = read(rows.into_iter().map(|row| row.stamped).collect())?;
    let Found {
        mut challenges,
        odd,
    } = value;
    let count = challenges.len() + odd.len();
    let is_cut = i64::try_from(count).is_ok_and(|count| count >= limit);
    if challenges.len() <= size && is_cut && count < MOST_ROWS {
        // Twice as many as were in the way so far, so that few reads pass over many of them.
        let wider = (size + 1 + 2 * odd.len()).min(MOST_ROWS);
        return Ok(PageRead::Wider(i64::try_from(wider).unwrap_or(i64::MAX)));
    }
    let has_more = challenges.len() > size;
    challenges.truncate(size);
    let value = ChallengePage {
        challenges,
        total_count: unsigned(total)?,
        has_more,
    };
    Ok(PageRead::Whole(Stamped { version, value }, odd))
}

/// What `rows` have.
pub(super) fn read(rows: Vec<StampedRow>) -> Result<Stamped<Found>, Error> {
    let Some(first) = rows.first() else {
        return Err(broken("a read gave no stamp".to_owned()));
    };
    let version = row::version(&first.database, first.timeline, first.seq)?;
    let mut value = Found::default();
    for row in rows {
        let Some(id) = row.challenge.id.as_ref().map(Text::lossy) else {
            continue;
        };
        match challenge(row.challenge) {
            Ok(challenge) => value.challenges.push(challenge),
            Err(oddity) => value.odd.push(OddRow { id, oddity }),
        }
    }
    Ok(Stamped { version, value })
}

/// The one challenge of `rows`, if there is one that can be shown.
pub(super) fn only(rows: Vec<StampedRow>) -> Result<Option<Challenge>, Error> {
    Ok(read(rows)?.value.challenges.pop())
}

fn challenge(row: ChallengeRow) -> Result<Challenge, Oddity> {
    let utf8 = |text: Option<Text>, column| {
        let text = text.map(Text::into_string).transpose();
        text.map_err(|_| Oddity::NotUtf8(column))
    };
    let id = utf8(row.id, "id")?.unwrap_or_default();
    let id = ChallengeId::parse(&id).map_err(|_| Oddity::Id)?;
    let difficulty = utf8(row.difficulty, "difficulty")?.unwrap_or_default();
    let difficulty: Difficulty = difficulty.parse().map_err(|_| Oddity::Difficulty)?;
    if let Some(column) = row.too_long {
        return Err(Oddity::TooLong(column));
    }
    let title = utf8(row.title, "title")?.unwrap_or_default();
    let description = utf8(row.description, "description")?.unwrap_or_default();
    // A tip for other texts than these is not shown; it may fit again when they are changed back.
    let fits = |content: Vec<u8>| content == content_hash(&title, &description, difficulty);
    let written_tip = row
        .written_tip
        .filter(|_| row.written_for.is_some_and(fits));
    Ok(Challenge {
        id,
        difficulty,
        title,
        description,
        points: i32::try_from(row.points.unwrap_or(10)).map_err(|_| Oddity::Points)?,
        tips: utf8(row.tips, "tips")?,
        written_tip,
        created_at: row.created_at.map(UnixMicros),
        updated_at: row.updated_at.map(UnixMicros),
    })
}
