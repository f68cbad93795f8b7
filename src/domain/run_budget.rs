//! The money that one run of generating tips may spend.
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Usage;

/// What the tips of one run cost, with all attempts, and a cap that is never exceeded: the most that
/// an attempt may cost is taken before it is made, and what it did not cost is given back.
#[derive(Debug, Default)]
pub struct RunBudget {
    cap_micro_usd: Option<u64>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
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

impl RunBudget {
    /// An account from which at most so much may be taken, in millionths of a US dollar; `None` for
    /// any amount.
    #[must_use]
    pub fn with_cap(cap_micro_usd: Option<u64>) -> Self {
        Self {
            cap_micro_usd,
            book: Mutex::default(),
        }
    }

    /// Takes the most that an attempt may cost; false when there is not so much left.
    #[must_use]
    pub fn reserve(&self, micro_usd: u64) -> bool {
        let mut book = self.book();
        let taken = book.spent.cost_micro_usd.saturating_add(book.reserved);
        let after = taken.saturating_add(micro_usd);
        if self.cap_micro_usd.is_some_and(|cap| after > cap) {
            book.has_refused = true;
            return false;
        }
        book.reserved = book.reserved.saturating_add(micro_usd);
        true
    }

    /// Gives back what was reserved for an attempt that was not made.
    pub fn give_back(&self, reserved_micro_usd: u64) {
        let mut book = self.book();
        book.reserved = book.reserved.saturating_sub(reserved_micro_usd);
    }

    /// Records an attempt that was made, in place of what was reserved for it.
    pub fn record(&self, reserved_micro_usd: u64, usage: Usage, cost_micro_usd: u64) {
        let mut book = self.book();
        book.reserved = book.reserved.saturating_sub(reserved_micro_usd);
        book.spent.add(usage, cost_micro_usd);
    }

    /// What was spent so far, without what is reserved.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.book().spent
    }

    /// Whether an attempt was not made for want of money in this account.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        self.book().has_refused
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
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
        let account = RunBudget::with_cap(Some(100));
        assert!(account.reserve(60));
        assert!(!account.reserve(41));
        assert!(account.reserve(40));
        account.record(60, Usage::estimated(8, 4), 10);
        account.give_back(40);
        assert!(account.reserve(90));
        assert!(!account.reserve(1) && account.has_refused());
        let spent = account.spent();
        assert_eq!((spent.attempts, spent.cost_micro_usd), (1, 10));
        assert!(spent.usage.is_estimated);
    }

    #[test]
    fn an_account_without_a_cap_refuses_nothing() {
        let account = RunBudget::with_cap(None);
        assert!(account.reserve(u64::MAX) && account.reserve(u64::MAX));
        assert!(!account.has_refused());
    }
}
