//! The rows that operators decide by, as both engines give them.
use super::{
    Report,
    odd_rows::{OddRow, Oddity},
    row::{self, broken},
    text::Text,
};
use crate::domain::{
    ControlKind, ControlRow, ControlRows, Error, Flag, RawFlag, RuntimeControl, RuntimeSetting,
    UnixMicros, problems_of,
};

/// A row of either table, with what is known of the whole log; no row where there is none.
#[derive(sqlx::FromRow)]
pub(super) struct AnyRow {
    database: String,
    timeline: i64,
    seq: i64,
    kind: Option<String>,
    name: Option<Text>,
    environment: Option<Text>,
    enabled: Option<bool>,
    number: Option<i64>,
    description: Option<Text>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    created_by: Option<Text>,
    updated_by: Option<Text>,
    fingerprint: Option<Text>,
}

/// What a read of the rows found.
#[derive(Debug)]
pub(super) struct FoundControls {
    /// All rows: each says what it says, whatever its texts are.
    pub(super) rows: ControlRows,
    /// Those whose texts are not all shown.
    pub(super) odd: Vec<OddRow>,
}

/// The names that rows are read by. Others are not ours, and there may be many.
pub(super) fn names() -> Vec<&'static str> {
    let flags = Flag::EACH.iter().map(|flag| flag.name());
    let settings = RuntimeSetting::EACH.iter().map(|setting| setting.name());
    flags.chain(settings).collect()
}

/// The rows by their tables.
pub(super) fn controls(rows: Vec<AnyRow>) -> Result<FoundControls, Error> {
    let Some(first) = rows.first() else {
        return Err(broken("the commit log has no state".to_owned()));
    };
    let version = row::version(&first.database, first.timeline, first.seq)?;
    let (mut flags, mut settings, mut odd) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (enabled, number) = (row.enabled, row.number);
        let kind = match row.kind.as_deref() {
            Some("flag") => ControlKind::Flag,
            Some(_) => ControlKind::Setting,
            None => continue,
        };
        if !row.is_whole() {
            let name = row.name.as_ref().map(Text::lossy).unwrap_or_default();
            odd.push(OddRow {
                id: format!("{} {name}", kind.as_str()),
                oddity: Oddity::Whole,
            });
        }
        match kind {
            ControlKind::Flag => {
                let rollout = number;
                flags.push(row.saying(RawFlag { enabled, rollout }));
            }
            ControlKind::Setting => settings.push(row.saying(number.unwrap_or_default())),
        }
    }
    Ok(FoundControls {
        rows: ControlRows {
            version,
            flags,
            settings,
        },
        odd,
    })
}

impl AnyRow {
    /// Whether all of the row is here, as the text that calls tell it by.
    fn is_whole(&self) -> bool {
        self.fingerprint.as_ref().is_some_and(Text::is_utf8)
    }

    fn saying<R>(self, raw: R) -> ControlRow<R> {
        let text = |text: Option<Text>| text.as_ref().map(Text::lossy);
        // Of a damaged text no row can be told by again.
        let fingerprint = self.fingerprint.filter(Text::is_utf8);
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

/// Adds what is wrong with the rows.
pub(super) fn judge(report: &mut Report, found: FoundControls) {
    for OddRow { id, oddity } in found.odd {
        let text =
            format!("{oddity}: it counts, but is not shown in full, and no call can change it");
        report.error(id, text);
    }
    judge_kind::<Flag>(report, &found.rows.flags);
    judge_kind::<RuntimeSetting>(report, &found.rows.settings);
}

fn judge_kind<C: RuntimeControl>(report: &mut Report, rows: &[ControlRow<C::Raw>]) {
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
