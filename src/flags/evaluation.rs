//! Decides what a flag or a setting is: by a row, or as configured.
use crate::domain::{ControlRow, Environment, Evaluation, StoredControl, ValueSource};

/// How a control stands by `rows`: by the row for `own`, or else by the one for all environments,
/// or else as configured. A row that makes no sense changes nothing: what was in force stays.
pub(super) fn evaluate<C: StoredControl>(
    rows: &[ControlRow<C::Raw>],
    own: Option<&Environment>,
    before: &Evaluation<C>,
) -> Evaluation<C> {
    let (control, configured) = (before.control, before.configured);
    let named: Vec<_> = rows
        .iter()
        .filter(|row| row.name == control.name())
        .collect();
    let unclear = named
        .iter()
        .find_map(|row| Some((*row, row.scope().err()?)));
    let of = |wanted: &Environment| -> Vec<_> {
        let here = |row: &&&ControlRow<C::Raw>| row.scope().as_ref() == Ok(wanted);
        named.iter().filter(here).copied().collect()
    };
    let own = own.map(of).filter(|rows| !rows.is_empty());
    let (candidates, source) = match own {
        Some(rows) => (rows, ValueSource::EnvironmentRow),
        None => (of(&Environment::all()), ValueSource::AllRow),
    };
    let stays = |row: &ControlRow<C::Raw>, problem: String| Evaluation {
        row: Some(row.clone()),
        elsewhere: None,
        problem: Some(problem),
        ..before.clone()
    };
    match (candidates.as_slice(), unclear) {
        ([], Some((row, problem))) => stays(row, problem),
        ([], None) => Evaluation {
            elsewhere: named
                .first()
                .filter(|_| C::HAS_ONE_ROW)
                .map(|row| (*row).clone()),
            ..Evaluation::without_row(configured)
        },
        ([row], _) => match control.read(&row.raw) {
            Ok(value) => Evaluation {
                value,
                source,
                row: Some((*row).clone()),
                ..Evaluation::without_row(configured)
            },
            Err(problem) => stays(row, problem),
        },
        ([row, ..], _) => stays(
            row,
            "there is more than one row for this environment".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Configured, Flag, FlagValue, RawFlag};

    const OFF_BY_ENVIRONMENT: Configured<Flag> = Configured {
        control: Flag::NearCache,
        value: FlagValue::all(false),
        is_given: true,
    };

    fn row(environment: &str, enabled: bool, rollout: i64) -> ControlRow<RawFlag> {
        ControlRow {
            name: "near_cache".to_owned(),
            environment: Some(environment.to_owned()),
            raw: RawFlag {
                enabled: Some(enabled),
                rollout: Some(rollout),
            },
            description: None,
            created_at: None,
            updated_at: None,
            created_by: None,
            updated_by: None,
            fingerprint: environment.to_owned(),
        }
    }

    fn evaluation(rows: &[ControlRow<RawFlag>], before: &Evaluation<Flag>) -> Evaluation<Flag> {
        let own = Environment::parse("production").unwrap();
        evaluate(rows, Some(&own), before)
    }

    fn first(rows: &[ControlRow<RawFlag>]) -> Evaluation<Flag> {
        evaluation(rows, &Evaluation::without_row(OFF_BY_ENVIRONMENT))
    }

    #[test]
    fn the_own_environment_counts_before_all_and_both_before_the_settings() {
        let (own, all) = (row("production", true, 100), row("all", false, 100));
        let other = row("staging", true, 100);
        let by = |rows: &[_]| {
            let evaluation = first(rows);
            (evaluation.source, evaluation.value.enabled)
        };
        assert_eq!(by(&[all.clone(), own]), (ValueSource::EnvironmentRow, true));
        assert_eq!(by(&[other.clone(), all]), (ValueSource::AllRow, false));
        assert_eq!(by(&[row("all", true, 100)]), (ValueSource::AllRow, true));
        let others = [other.clone()];
        assert_eq!(by(&others), (ValueSource::Settings, false));
        assert_eq!(first(&others).elsewhere.as_ref(), Some(&other));
        assert_eq!(first(&[other, row("all", true, 100)]).elsewhere, None);
        let nobody = Configured {
            is_given: false,
            ..OFF_BY_ENVIRONMENT
        };
        assert_eq!(Evaluation::without_row(nobody).source, ValueSource::Default);
    }

    #[test]
    fn a_broken_row_leaves_what_was_in_force() {
        let good = first(&[row("all", true, 100)]);
        assert!(good.value.enabled);
        for rows in [
            vec![row("all", false, 101)],
            vec![row("Production", false, 100)],
            vec![row("all", false, 100), row("all", false, 100)],
            vec![row("production", false, 50), row("all", false, 100)],
        ] {
            let broken = evaluation(&rows, &good);
            assert_eq!(
                (broken.value, broken.source),
                (good.value, good.source),
                "{rows:?}"
            );
            assert!(broken.problem.is_some(), "{rows:?}");
            let mended = evaluation(&[row("all", false, 100)], &broken);
            assert_eq!((mended.value.enabled, mended.problem), (false, None));
        }
    }

    #[test]
    fn before_any_good_row_a_broken_one_leaves_the_settings() {
        let broken = first(&[row("all", true, -1)]);
        assert_eq!(
            (broken.source, broken.value.enabled),
            (ValueSource::Settings, false)
        );
    }
}
