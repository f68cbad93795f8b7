//! Whether a dependency counts as up, so that no single check decides it.

/// A dependency that is up is down after this many failed checks in a row.
const FAILURES_UNTIL_DOWN: u32 = 3;
/// One that is down is up after this many checks in a row that pass. With one, a dependency that answers now and
/// then, such as a server that starts again and again, would be called up after each answer and down soon after,
/// and everybody who watches would come and go with it. The second check costs a recovery one second.
const PASSES_UNTIL_UP: u32 = 2;

/// The checks of one dependency.
#[derive(Debug, Default)]
pub(super) struct Hysteresis {
    /// `None` before the first check, which decides alone: there is nothing to hold on to.
    is_up: Option<bool>,
    /// The last checks in a row that contradict it.
    contradictions: u32,
}

impl Hysteresis {
    /// A dependency that was just seen to work.
    pub(super) fn up() -> Self {
        Self {
            is_up: Some(true),
            contradictions: 0,
        }
    }

    /// Records one check; returns whether the dependency counts as up.
    pub(super) fn record(&mut self, passes: bool) -> bool {
        let is_up = *self.is_up.get_or_insert(passes);
        self.contradictions = if passes == is_up {
            0
        } else {
            self.contradictions.saturating_add(1)
        };
        let enough = if is_up {
            FAILURES_UNTIL_DOWN
        } else {
            PASSES_UNTIL_UP
        };
        if self.contradictions < enough {
            return is_up;
        }
        *self = Self {
            is_up: Some(passes),
            contradictions: 0,
        };
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a dependency counts after each check, `+` for one that passes and for up.
    fn seen(mut dependency: Hysteresis, checks: &str) -> String {
        let seen = checks.chars().map(|check| dependency.record(check == '+'));
        seen.map(|is_up| if is_up { '+' } else { '-' }).collect()
    }

    #[test]
    fn a_dependency_is_down_after_three_failures_and_up_after_two_passes() {
        assert_eq!(seen(Hysteresis::up(), "---+-++"), "++----+");
        assert_eq!(seen(Hysteresis::up(), "--+--+--+"), "+++++++++");
    }

    #[test]
    fn the_first_check_decides_where_nothing_is_known() {
        assert_eq!(seen(Hysteresis::default(), "+--"), "+++");
        assert_eq!(seen(Hysteresis::default(), "-+-++"), "----+");
    }

    #[test]
    fn a_dependency_that_answers_now_and_then_does_not_come_and_go() {
        assert_eq!(
            seen(Hysteresis::up(), &"---+".repeat(9)),
            "++--".to_owned() + &"----".repeat(8)
        );
    }
}
