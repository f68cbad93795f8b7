//! The rows that operators decide by, as both engines give them.
use super::{
    Report,
    row::{self, broken},
};
use crate::domain::{
    Control, ControlRow, ControlRows, Error, Flag, RawFlag, Tunable, UnixMicros, problems_of,
};

/// A row of either table, with what is known of the whole log; no row where there is none.
#[derive(sqlx::FromRow)]
pub(super) struct AnyRow {
    database: String,
    timeline: i64,
    seq: i64,
    kind: Option<String>,
    name: Option<String>,
    environment: Option<String>,
    enabled: Option<bool>,
    number: Option<i64>,
    description: Option<String>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    created_by: Option<String>,
    updated_by: Option<String>,
    fingerprint: Option<String>,
}

/// The names that rows are read by. Others are not ours, and there may be many.
pub(super) fn names() -> Vec<&'static str> {
    let flags = Flag::EACH.iter().map(|flag| flag.name());
    let settings = Tunable::EACH.iter().map(|tunable| tunable.name());
    flags.chain(settings).collect()
}

/// The rows by their tables.
pub(super) fn controls(rows: Vec<AnyRow>) -> Result<ControlRows, Error> {
    let Some(first) = rows.first() else {
        return Err(broken("the commit log has no state".to_owned()));
    };
    let version = row::version(&first.database, first.timeline, first.seq)?;
    let (mut flags, mut settings) = (Vec::new(), Vec::new());
    for row in rows {
        let (enabled, number) = (row.enabled, row.number);
        match row.kind.as_deref() {
            Some("flag") => {
                let rollout = number;
                flags.push(row.saying(RawFlag { enabled, rollout }));
            }
            Some(_) => settings.push(row.saying(number.unwrap_or_default())),
            None => {}
        }
    }
    Ok(ControlRows {
        version,
        flags,
        settings,
    })
}

impl AnyRow {
    fn saying<R>(self, raw: R) -> ControlRow<R> {
        ControlRow {
            name: self.name.unwrap_or_default(),
            environment: self.environment,
            raw,
            description: self.description,
            created_at: self.created_at.map(UnixMicros),
            updated_at: self.updated_at.map(UnixMicros),
            created_by: self.created_by,
            updated_by: self.updated_by,
            fingerprint: self.fingerprint.unwrap_or_default(),
        }
    }
}

/// Adds what is wrong with the rows.
pub(super) fn judge(report: &mut Report, rows: &ControlRows) {
    judge_kind::<Flag>(report, &rows.flags);
    judge_kind::<Tunable>(report, &rows.settings);
}

fn judge_kind<C: Control>(report: &mut Report, rows: &[ControlRow<C::Raw>]) {
    for problem in problems_of::<C>(rows) {
        let subject = format!("{} {}", C::KIND.as_str(), problem.name);
        if problem.is_broken {
            let text = format!("{}: the last good value stays in force", problem.text);
            report.warn(subject, text);
        } else {
            report.note(
                subject,
                format!("it {}: the row does nothing", problem.text),
            );
        }
    }
}
