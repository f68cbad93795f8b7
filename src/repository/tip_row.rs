//! Tips as both engines keep them, and what may be kept at all.
use std::time::Duration;

use crate::domain::{AttemptRecord, Epoch, Error, Tip, TipKey, UnixMicros, Usage};

use super::{
    fault::Broken,
    row::{broken, unsigned},
};

/// How long a tip is kept beyond its time, as better than none while the providers are away. One
/// that is older helps less than a static tip.
pub(super) const TIPS_KEPT: Duration = Duration::from_hours(30 * 24);

/// How long an attempt stays in the books: until the provider's bill for its month was paid.
pub(super) const ATTEMPTS_KEPT: Duration = Duration::from_hours(90 * 24);

/// The most rows of a table that one round of pruning removes. Every replica prunes about six
/// times in an hour, so more than sixteen attempts a second, day and night, would outgrow it.
pub(super) const MOST_PRUNED: i64 = 10_000;

/// The longest text that is kept, in bytes; the cap for providers is far below.
const MOST_TEXT: usize = 64 * 1024;

/// A tip as both engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct TipRow {
    key: Vec<u8>,
    epoch: i64,
    text: String,
    sha256: Vec<u8>,
    provider: String,
    model: String,
    stop: String,
    input_tokens: i64,
    output_tokens: i64,
    is_estimated: bool,
    created_at: i64,
    expires_at: i64,
}

/// The tip of the one row that was found, if any was.
pub(super) fn only(rows: Vec<TipRow>) -> Result<Option<Tip>, Error> {
    rows.into_iter().next().map(tip).transpose()
}

fn tip(row: TipRow) -> Result<Tip, Error> {
    Ok(Tip {
        key: TipKey(hash(&row.key)?),
        epoch: Epoch(unsigned(row.epoch)?),
        text: row.text,
        sha256: hash(&row.sha256)?,
        provider: row.provider,
        model: row.model,
        stop: row
            .stop
            .parse()
            .map_err(|problem| broken(format!("tip: stop {problem}")))?,
        usage: Usage {
            input_tokens: unsigned(row.input_tokens)?,
            output_tokens: unsigned(row.output_tokens)?,
            is_estimated: row.is_estimated,
        },
        created_at: UnixMicros(row.created_at),
        expires_at: UnixMicros(row.expires_at),
    })
}

fn hash(bytes: &[u8]) -> Result<[u8; 32], Error> {
    <[u8; 32]>::try_from(bytes).map_err(|_| broken(format!("a hash of {} bytes", bytes.len())))
}

/// Refuses what no store takes: no text, too long a text, and the one character that PostgreSQL
/// cannot hold.
pub(super) fn check_tip(tip: &Tip) -> Result<(), Error> {
    let refused = |problem: String| Err(Error::internal("keeping a tip", Broken(problem)));
    let length = tip.text.len();
    if !(1..=MOST_TEXT).contains(&length) {
        return refused(format!("a text of {length} bytes"));
    }
    if has_nul([&tip.text, &tip.provider, &tip.model]) {
        return refused("a text with NUL".to_owned());
    }
    Ok(())
}

/// As [`check_tip`], for the books.
pub(super) fn check_attempt(attempt: &AttemptRecord) -> Result<(), Error> {
    if has_nul([&attempt.provider, &attempt.model, &attempt.outcome]) {
        let problem = Broken("a text with NUL".to_owned());
        return Err(Error::internal("noting an attempt", problem));
    }
    Ok(())
}

fn has_nul(texts: [&String; 3]) -> bool {
    texts.iter().any(|text| text.contains('\0'))
}

/// A count as a column; the largest there is instead of one beyond.
pub(super) fn column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
