use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How often a provider may be asked again: about once in ten orders, so that a provider that
/// fails for everybody does not get several times its load for it.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Tenths of a retry.
    tenths: AtomicU32,
}

impl RetryBudget {
    /// So many retries can be saved up; they are there at the start.
    const SAVED: u32 = 10;
    const ONE: u32 = 10;

    pub(super) const fn new() -> Self {
        Self {
            tenths: AtomicU32::new(Self::SAVED * Self::ONE),
        }
    }

    /// An order was made.
    pub(super) fn deposit(&self) {
        let add = |tenths: u32| (tenths < Self::SAVED * Self::ONE).then_some(tenths + 1);
        // A full budget stays as it is.
        let _ = self.tenths.fetch_update(Relaxed, Relaxed, add);
    }

    pub(super) fn has_one(&self) -> bool {
        self.tenths.load(Relaxed) >= Self::ONE
    }

    /// A retry is made.
    pub(super) fn spend(&self) {
        let take = |tenths: u32| Some(tenths.saturating_sub(Self::ONE));
        let _ = self.tenths.fetch_update(Relaxed, Relaxed, take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_always_fails_is_asked_again_once_in_ten_orders() {
        let budget = RetryBudget::new();
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.deposit();
            if budget.has_one() {
                budget.spend();
                retries += 1;
            }
        }
        assert!((100..=110).contains(&retries), "{retries}");
    }
}
