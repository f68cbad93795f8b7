//! The money that one run of generating tips may spend.
use std::sync::Arc;

use parking_lot::Mutex;

use super::Usage;

/// What the tips of one run cost, with all attempts, and a cap that is never exceeded: the most that
/// an attempt may cost is taken before it is made, and what it did not cost is given back.
#[derive(Debug, Default)]
pub struct RunBudget {
    cap_micro_usd: Option<u64>,
    sums: Mutex<RunSums>,
}

#[derive(Debug, Default)]
struct RunSums {
    spent: Spent,
    reserved: u64,
    has_refused: bool,
}

/// The sum of some attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many attempts there were.
    pub attempts: u64,
    /// Their tokens; estimated when those of any attempt are.
    pub usage: Usage,
    /// What they cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
}

/// What is reserved for one attempt. Dropped, it is given back.
#[derive(Debug)]
#[must_use]
pub struct RunReservation {
    budget: Arc<RunBudget>,
    micro_usd: u64,
}

impl RunBudget {
    /// A budget of `cap_micro_usd`, in millionths of a US dollar; `None` for any amount.
    #[must_use]
    pub fn with_cap(cap_micro_usd: Option<u64>) -> Self {
        Self {
            cap_micro_usd,
            sums: Mutex::default(),
        }
    }

    /// Reserves the most that an attempt may cost; `None` if less is left.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, micro_usd: u64) -> Option<RunReservation> {
        let mut sums = self.sums.lock();
        let taken = sums.spent.cost_micro_usd.saturating_add(sums.reserved);
        let after = taken.saturating_add(micro_usd);
        if self.cap_micro_usd.is_some_and(|cap| after > cap) {
            sums.has_refused = true;
            return None;
        }
        sums.reserved = sums.reserved.saturating_add(micro_usd);
        Some(RunReservation {
            budget: Arc::clone(self),
            micro_usd,
        })
    }

    /// What was spent so far, without what is reserved.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.sums.lock().spent
    }

    /// Whether an attempt was not made because the rest of this budget was too small.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        self.sums.lock().has_refused
    }
}

impl RunReservation {
    /// Records the attempt that was made, in place of what was reserved for it.
    pub fn record(self, usage: Usage, cost_micro_usd: u64) {
        self.budget.sums.lock().spent.add(usage, cost_micro_usd);
    }
}

impl Drop for RunReservation {
    fn drop(&mut self) {
        let mut sums = self.budget.sums.lock();
        sums.reserved = sums.reserved.saturating_sub(self.micro_usd);
    }
}

impl Spent {
    /// Adds one attempt.
    pub fn add(&mut self, usage: Usage, cost_micro_usd: u64) {
        let one = Self {
            attempts: 1,
            usage,
            cost_micro_usd,
        };
        self.join(one);
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Self) {
        self.attempts += other.attempts;
        let (sum, more) = (&mut self.usage, other.usage);
        sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
        sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
        sum.is_estimated |= more.is_estimated;
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(other.cost_micro_usd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_and_what_is_spent_never_exceed_the_cap_together() {
        let budget = Arc::new(RunBudget::with_cap(Some(100)));
        let first = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        let second = budget.reserve(40).unwrap();
        first.record(Usage::estimated(8, 4), 10);
        drop(second);
        let third = budget.reserve(90);
        assert!(third.is_some());
        assert!(budget.reserve(1).is_none() && budget.has_refused());
        let spent = budget.spent();
        assert_eq!((spent.attempts, spent.cost_micro_usd), (1, 10));
        assert!(spent.usage.is_estimated);
    }

    #[test]
    fn a_budget_without_a_cap_refuses_nothing() {
        let budget = Arc::new(RunBudget::with_cap(None));
        let all = [budget.reserve(u64::MAX), budget.reserve(u64::MAX)];
        assert!(all.iter().all(Option::is_some));
        assert!(!budget.has_refused());
    }
}
