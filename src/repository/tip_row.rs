//! The rows of generated tips, as both engines return them, and the checks before they are stored.
use std::time::Duration;

use super::{
    row::unsigned,
    sql_error::{DataError, data_error},
};
use crate::domain::{AttemptRecord, Epoch, Error, Tip, TipKey, UnixMicros, Usage};

/// How long an expired tip is kept, as a fallback while the providers are unavailable. An older one helps
/// less than a static tip.
pub(super) const TIPS_KEPT: Duration = Duration::from_hours(30 * 24);

/// How long the record of an attempt is kept: until the provider's bill for its month is paid.
pub(super) const ATTEMPTS_KEPT: Duration = Duration::from_hours(90 * 24);

/// The longest text that is stored, in bytes; the limit for providers is far below.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A row of the table of tips.
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

/// The tip of a read that finds at most one.
pub(super) fn read_one(rows: Vec<TipRow>) -> Result<Option<Tip>, Error> {
    rows.into_iter().next().map(tip).transpose()
}

fn tip(row: TipRow) -> Result<Tip, Error> {
    let stop = row.stop.parse();
    Ok(Tip {
        key: TipKey(hash(&row.key)?),
        epoch: Epoch(unsigned(row.epoch)?),
        text: row.text,
        sha256: hash(&row.sha256)?,
        provider: row.provider,
        model: row.model,
        stop: stop.map_err(|problem| data_error(format!("tip: stop {problem}")))?,
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
    <[u8; 32]>::try_from(bytes).map_err(|_| data_error(format!("a hash of {} bytes", bytes.len())))
}

/// Binds a tip in the order that the statements of both engines have; `$challenge` is the id as the engine stores it.
macro_rules! bind_tip {
    ($query:expr, $tip:expr, $origin:expr, $challenge:expr) => {
        $query
            .bind($tip.key.0.to_vec())
            .bind($challenge)
            .bind($origin.content.to_vec())
            .bind($origin.locale.to_string())
            .bind($origin.persona.to_string())
            .bind($origin.prompt_version.clone())
            .bind(signed($tip.epoch.0))
            .bind($tip.text.clone())
            .bind($tip.sha256.to_vec())
            .bind($tip.provider.clone())
            .bind($tip.model.clone())
            .bind($tip.stop.as_str())
            .bind(signed($tip.usage.input_tokens))
            .bind(signed($tip.usage.output_tokens))
            .bind($tip.usage.is_estimated)
            .bind($tip.created_at.0)
            .bind($tip.expires_at.0)
            .bind($origin.shown)
    };
}
pub(super) use bind_tip;

/// As [`bind_tip`], for the record of an attempt.
macro_rules! bind_attempt {
    ($query:expr, $attempt:expr) => {
        $query
            .bind($attempt.ended_at.0)
            .bind($attempt.key.0.to_vec())
            .bind(signed($attempt.epoch.0))
            .bind($attempt.provider.clone())
            .bind($attempt.model.clone())
            .bind($attempt.outcome.clone())
            .bind(signed($attempt.usage.input_tokens))
            .bind(signed($attempt.usage.output_tokens))
            .bind($attempt.usage.is_estimated)
            .bind(signed($attempt.cost_micro_usd))
    };
}
pub(super) use bind_attempt;

/// Refuses a tip that no store accepts: its text is empty or too long, or a text contains NUL, which
/// PostgreSQL cannot store.
pub(super) fn check_tip(tip: &Tip) -> Result<(), Error> {
    let context = "keeping a tip";
    let length = tip.text.len();
    if !(1..=MAX_TEXT_BYTES).contains(&length) {
        let problem = DataError(format!("a text of {length} bytes"));
        return Err(Error::internal(context, problem));
    }
    check_no_nul(context, [&tip.text, &tip.provider, &tip.model])
}

/// As [`check_tip`], for the record of an attempt.
pub(super) fn check_attempt(attempt: &AttemptRecord) -> Result<(), Error> {
    let texts = [&attempt.provider, &attempt.model, &attempt.outcome];
    check_no_nul("noting an attempt", texts)
}

fn check_no_nul(context: &'static str, texts: [&String; 3]) -> Result<(), Error> {
    if texts.iter().any(|text| text.contains('\0')) {
        let problem = DataError("a text with NUL".to_owned());
        return Err(Error::internal(context, problem));
    }
    Ok(())
}
