//! Names and numbers of runtime settings as people write them: without the unit in the name, with one behind the
//! number.
use crate::{
    cli::failure::Failure,
    config::{SETTINGS, Setting, ValueKind},
    domain::RuntimeSetting as KnownSetting,
};

/// The name of the contract for a setting whose unit was left out.
pub(super) fn full_name(typed: &str) -> String {
    let is_meant = |it: &KnownSetting| of_server(*it).is_some_and(|it| it.key() == typed);
    let meant = KnownSetting::ALL.into_iter().find(is_meant);
    meant
        .map_or(typed, |setting| setting.definition().name)
        .to_owned()
}

/// The setting of the server that holds without a row.
fn of_server(known: KnownSetting) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| setting.env == known.definition().env)
}

/// What was typed, in the unit of the contract. A bare number is in that unit already where the name
/// ends in it, and whether it will do is for the server to say.
pub(super) fn number(name: &str, has_unit: bool, text: &str) -> Result<i64, Failure> {
    if let (true, Ok(number)) = (has_unit, text.parse()) {
        return Ok(number);
    }
    let setting = KnownSetting::named(name).and_then(of_server);
    let number = match setting.map(|setting| setting.kind) {
        Some(kind @ (ValueKind::Duration(..) | ValueKind::Money(..) | ValueKind::Bytes(..))) => {
            kind.number(text)
        }
        Some(ValueKind::Text { .. } | ValueKind::Switch | ValueKind::Count(..)) | None => {
            Err(format!("must be a whole number, such as 600, not {text:?}"))
        }
    };
    let wrong = |problem| Failure::failed(format!("{name}: {problem}")).with_code(2);
    number
        .map(|number| i64::try_from(number).unwrap_or(i64::MAX))
        .map_err(wrong)
}

/// As people write it; the bare number where this program does not know the setting.
pub(super) fn shown(name: &str, number: i64) -> String {
    let setting = KnownSetting::named(name).and_then(of_server);
    let whole = u64::try_from(number).ok();
    let shown = setting
        .zip(whole)
        .map(|(setting, number)| setting.kind.show(number));
    shown.unwrap_or_else(|| number.to_string())
}
