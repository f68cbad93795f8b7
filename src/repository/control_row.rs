//! The rows of flags and runtime settings, as both engines return them.
use super::{
    invalid_rows::{InvalidRow, InvalidRowLog, InvalidRowProblem},
    raw_text::RawText,
    row,
    sql_error::data_error,
};
use crate::domain::{
    ControlKind, ControlRow, ControlRows, Error, Flag, RawFlag, RuntimeControl, RuntimeSetting,
    UnixMicros,
};

/// A row of either table, with the state of the change log; all `None` from `kind` on where there is no row.
#[derive(sqlx::FromRow)]
pub(super) struct RawControlRow {
    database: String,
    timeline: i64,
    seq: i64,
    kind: Option<String>,
    name: Option<RawText>,
    environment: Option<RawText>,
    enabled: Option<bool>,
    number: Option<i64>,
    description: Option<RawText>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    created_by: Option<RawText>,
    updated_by: Option<RawText>,
    fingerprint: Option<RawText>,
}

/// The rows of flags and settings that a read found.
#[derive(Debug)]
pub(super) struct FoundControls {
    /// All rows: a row with damaged texts is in force too.
    pub(super) rows: ControlRows,
    /// The rows that are not shown in full.
    pub(super) invalid: Vec<InvalidRow>,
}

/// The names of flags and settings to read. The tables may hold any number of rows of other programs.
pub(super) fn names() -> Vec<&'static str> {
    let flags = Flag::EACH.iter().map(|flag| flag.name());
    let settings = RuntimeSetting::EACH.iter().map(|setting| setting.name());
    flags.chain(settings).collect()
}

/// As [`controls`]; the rows that are not shown in full are logged.
pub(super) fn logged(rows: Vec<RawControlRow>, log: &InvalidRowLog) -> Result<ControlRows, Error> {
    let found = controls(rows)?;
    log.log_controls(found.invalid);
    Ok(found.rows)
}

/// Sorts the rows by table.
pub(super) fn controls(rows: Vec<RawControlRow>) -> Result<FoundControls, Error> {
    let no_state = || data_error("the change log has no state");
    let first = rows.first().ok_or_else(no_state)?;
    let version = row::version(&first.database, first.timeline, first.seq)?;
    let (mut flags, mut settings, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (enabled, number) = (row.enabled, row.number);
        let kind = match row.kind.as_deref() {
            Some("flag") => ControlKind::Flag,
            Some(_) => ControlKind::Setting,
            None => continue,
        };
        if !row.fingerprint.as_ref().is_some_and(RawText::is_utf8) {
            let name = row.name.as_ref().map(RawText::lossy).unwrap_or_default();
            invalid.push(InvalidRow {
                id: format!("{} {name}", kind.as_str()),
                problem: InvalidRowProblem::NoFingerprint,
            });
        }
        match kind {
            ControlKind::Flag => {
                let rollout = number;
                flags.push(row.with_value(RawFlag { enabled, rollout }));
            }
            ControlKind::Setting => settings.push(row.with_value(number.unwrap_or_default())),
        }
    }
    Ok(FoundControls {
        rows: ControlRows {
            version,
            flags,
            settings,
        },
        invalid,
    })
}

impl RawControlRow {
    fn with_value<R>(self, raw: R) -> ControlRow<R> {
        let text = |text: Option<RawText>| text.as_ref().map(RawText::lossy);
        // A fingerprint with replaced bytes would match no row.
        let fingerprint = self.fingerprint.filter(RawText::is_utf8);
        ControlRow {
            name: text(self.name).unwrap_or_default(),
            environment: text(self.environment),
            raw,
            description: text(self.description),
            created_at: self.created_at.map(UnixMicros),
            updated_at: self.updated_at.map(UnixMicros),
            created_by: text(self.created_by),
            updated_by: text(self.updated_by),
            fingerprint: text(fingerprint).unwrap_or_default(),
        }
    }
}
